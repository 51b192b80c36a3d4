"""Outside: read the report while the bootstrap writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Ended", "Failure", "Process", "Ready", "StartReport"]


@dataclass(frozen=True)
class Process:
    """The host's process, as it reported itself, if its id is of our pid namespace."""

    pid: int
    started: float

    @property
    def is_alive(self) -> bool:
        """Whether this process, and not another with its id, still runs."""
        return processes.alive(self.pid, self.started)


@dataclass(frozen=True)
class Ready:
    """The kernel is up."""

    kernel_id: str
    connection_file: Path


@dataclass(frozen=True)
class Failure:
    """The kernel did not come up; fields as in :class:`hostkernel.errors.LaunchError`."""

    step: str
    reason: str
    traceback: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Ended:
    """The script ended before the kernel was up; ``text`` is what Python prints about that."""

    status: int
    text: str


class StartReport:
    """The report in ``file``, which need not exist yet; :meth:`poll` brings it up to date."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.began = False
        self.process: Process | None = None
        self.python: str | None = None
        self.step: str | None = None
        self.ready: Ready | None = None
        self.failure: Failure | None = None
        self.ended: Ended | None = None
        self._position = 0

    def poll(self) -> None:
        """Read what was added since the last call."""
        for line in self._new_lines():
            record = json.loads(line)
            getattr(self, f"_on_{record.pop('event')}")(**record)

    def _new_lines(self) -> Iterator[bytes]:
        try:
            with self.file.open("rb") as stream:
                stream.seek(self._position)
                added = stream.read()
        except FileNotFoundError:
            return
        whole = added[: added.rfind(b"\n") + 1]
        self._position += len(whole)
        yield from whole.splitlines()

    def _on_process(self, pid: int, namespace: str, python: str | None = None) -> None:
        self.began = True
        self.python = python
        started = processes.start_time(pid)
        # A host in a container has its own pid namespace: its ids name other processes here.
        if namespace == processes.pid_namespace() and started is not None:
            self.process = Process(pid, started)

    def _on_step(self, step: str) -> None:
        self.step = step

    def _on_ready(self, kernel_id: str, connection_file: str) -> None:
        self.ready = Ready(kernel_id, Path(connection_file))

    def _on_error(self, **fields: str | None) -> None:
        self.failure = Failure(
            step=fields["step"] or "",
            reason=fields["reason"] or "",
            traceback=fields["traceback"],
            hint=fields["hint"],
        )

    def _on_ended(self, status: int, text: str) -> None:
        self.ended = Ended(status, text)
