"""The state of a kernel; at most one kernel per process is not idle."""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING

from hostkernel.errors import AlreadyRunningError

if TYPE_CHECKING:
    from .manager import HostKernelManager

__all__ = ["Life", "State", "current"]

_one_kernel = threading.Lock()
_current: HostKernelManager | None = None


def current() -> HostKernelManager | None:
    """Return the manager of the kernel in this process, None if there is no kernel."""
    return _current


class State(enum.Enum):
    """The state of a kernel: idle → starting → running → stopping → idle."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Life:
    """A manager's state, and its claim to the one kernel of the process. Any thread."""

    def __init__(self, manager: HostKernelManager) -> None:
        self.state = State.IDLE
        self._manager = manager

    def begin(self) -> None:
        """Change the state from idle to starting.

        Raises:
            AlreadyRunningError: this kernel, or another of the process, is not idle.
        """
        global _current
        with _one_kernel:
            holder = self._manager if _current is None else _current
            if holder.state is not State.IDLE:
                raise AlreadyRunningError(holder.state.value, holder.connection_file)
            _current = self._manager
            self.state = State.STARTING

    def end(self) -> None:
        """Change the state back to idle."""
        global _current
        with _one_kernel:
            self.state = State.IDLE
            if _current is self._manager:
                _current = None
