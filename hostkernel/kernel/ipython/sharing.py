"""The kernel managers that hold the kernel, and which client to tell that it shares the kernel.

Notebooks on one kernel share every name, and a restart is a restart for all: nothing in a
client shows that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hostkernel import processes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Holder", "Sharing"]


_KINDS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "pid": int,
    "started": (int, float),
    "machine": str,
}


@dataclass(frozen=True)
class Holder:
    """A kernel manager that has attached itself.

    Attributes:
        id: the manager's own id for this kernel.
        pid: the id of the manager's process.
        started: start time of that process, in the unit of :mod:`hostkernel.processes`.
        machine: the machine on which ``pid`` is valid.
    """

    id: str
    pid: int
    started: float
    machine: str

    def __post_init__(self) -> None:
        """Check the fields, which came in a message.

        Raises:
            TypeError: a field has the wrong type.
        """
        for name, kind in _KINDS.items():
            if not isinstance(found := getattr(self, name), kind):
                message = f"{name} is a {type(found).__name__}"
                raise TypeError(message)

    @property
    def is_alive(self) -> bool:
        """Whether the manager may still hold the kernel; one that crashed has not detached."""
        return self.machine != processes.machine() or processes.alive(self.pid, self.started)


class Sharing:
    """The current holders of the kernel. Any thread."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}
        self._known: set[str] = set()
        self._untold = 0

    @property
    def holders(self) -> int:
        """How many managers hold the kernel."""
        self._holders = {name: each for name, each in self._holders.items() if each.is_alive}
        return len(self._holders)

    def attach(self, content: Mapping[str, Any]) -> None:
        """Add a manager; if others hold the kernel, its client has to be told."""
        holder = Holder(**content)
        self._holders.pop(holder.id, None)
        if self.holders:
            self._untold += 1
        self._holders[holder.id] = holder

    def detach(self, content: Mapping[str, Any]) -> None:
        """Remove a manager, which has released the kernel."""
        self._holders.pop(Holder(**content).id, None)

    def is_news(self, header: Mapping[str, Any]) -> bool:
        """Whether to tell the client that sent ``header`` now, once, that it shares the kernel.

        A client is known by its session, and a manager does not know its clients' sessions: the
        first new session after the manager attached itself is taken for its client's.
        """
        session = str(header.get("session"))
        if session in self._known:
            return False
        self._known.add(session)
        if not self._untold:
            return False
        self._untold -= 1
        return True
