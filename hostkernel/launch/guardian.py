"""Inside: end a host that a Jupyter server launched when that server is gone."""

from __future__ import annotations

import logging
import os
import select
import threading
from typing import TYPE_CHECKING

from hostkernel import processes
from hostkernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Guardian"]

log = logging.getLogger("hostkernel.launch")

_LOOK = 1.0  # seconds between checks, where the system cannot wait for a process


class Guardian:
    """A plugin that ends the host when its launcher dies, unless the host has a window.

    Args:
        parent: the launcher's process id.
        windowed: whether the host has a window, in which somebody may work: it then goes on, and
            a warning is logged.
        end: called on the guardian's thread, with the reason, to end the host in order.
    """

    def __init__(self, parent: int, *, windowed: bool, end: Callable[[str], None]) -> None:
        self._parent = parent
        self._windowed = windowed
        self._end = end
        self._watch: _Watch | None = None

    @hookimpl
    def hostkernel_started(self) -> None:
        """Begin to watch the launcher."""
        started = processes.start_time(self._parent)
        if started is not None:
            self._watch = _Watch(self._parent, started, self._gone)

    @hookimpl
    def hostkernel_stopped(self) -> None:
        """Stop watching: there is nothing left to end."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _gone(self) -> None:
        if self._windowed:
            log.warning("Jupyter (pid %s) is gone; this host goes on without it", self._parent)
        else:
            self._end(f"Jupyter (pid {self._parent}) is gone")


class _Watch:
    """A thread that waits for the end of a process, without polling where it has a pidfd."""

    def __init__(self, pid: int, started: float, gone: Callable[[], None]) -> None:
        self._pid = pid
        self._started = started
        self._gone = gone
        self._over, self._over_end = os.pipe()
        self._thread = threading.Thread(target=self._run, name="guardian", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if self._wait():
            self._gone()

    def _wait(self) -> bool:
        """Wait for the end of the process; return False if :meth:`close` comes first."""
        try:
            process = os.pidfd_open(self._pid)
        except (AttributeError, OSError):
            return self._wait_looking()
        try:
            ready, _, _ = select.select([process, self._over], [], [])
        finally:
            os.close(process)
        return self._over not in ready

    def _wait_looking(self) -> bool:
        while processes.alive(self._pid, self._started):
            if select.select([self._over], [], [], _LOOK)[0]:
                return False
        return True

    def close(self) -> None:
        os.close(self._over_end)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        os.close(self._over)
