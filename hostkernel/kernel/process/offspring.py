"""The processes that a cell has started, as distinct from the host's.

Linux lists the processes that each thread has started, so those of the host's other threads are
never taken for the cell's. Other systems know only a process's parent, and there an interrupt
stays inside of this process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.kernel.base.clock import monotonic, sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Offspring"]

_STOPPING = 0.05  # seconds that a process may take to stop: a process in vfork() cannot stop
_FORK = 0.0002  # seconds; starting a process takes longer
_TASKS = "/proc/self/task"
_MOST = 1 << 20  # bytes that are read of a list of children


class Offspring:
    """The child processes of the running cell. Made on the kernel's thread.

    Args:
        threads: returns the living threads that cells have started.
    """

    def __init__(self, threads: Callable[[], Iterable[threading.Thread]]) -> None:
        self._threads = threads
        self._thread = threading.get_native_id()
        self._is_known = Path(_TASKS, str(self._thread), "children").exists()
        self._own: set[int] = set()
        self._others: set[int] = set()
        self._of_threads: set[int] = set()
        self._told: list[int] = []
        self._in_step = False
        self._changed_at = 0.0

    def cell_begins(self) -> None:
        """Reset for another cell: the processes that run by now are not its own."""
        self._own.clear()
        self._told.clear()
        self._of_threads = self._threads_children()
        self._changed_at = 0.0

    def step_begins(self) -> None:
        """Begin a step of the cell: what was started since the last step is the host's."""
        if self._is_slow():
            self._others = self._children(self._thread) - self._own
        self._in_step = True

    def step_ends(self) -> None:
        """End a step of the cell: what was started in it is the cell's."""
        self._in_step = False
        if self._is_slow():
            self._own = self._children(self._thread) - self._others

    def _is_slow(self) -> bool:
        # A cell may take a hundred thousand steps a second, and each look for children costs time.
        before, self._changed_at = self._changed_at, monotonic()
        return self._is_known and self._changed_at - before > _FORK

    def _children(self, thread: int) -> set[int]:
        # Most often there are no children, and checking that is quicker than reading the list.
        if not self._is_known or not _has_children():
            return set()
        return {*map(int, _read(f"{_TASKS}/{thread}/children"))}

    def _threads_children(self) -> set[int]:
        threads = [thread.native_id for thread in self._threads() if thread.native_id is not None]
        return {child for thread in threads for child in self._children(thread)}

    def living(self) -> list[int]:
        """The cell's processes and what they have started, parents first. Any thread.

        Processes with a session of their own are left out, as a terminal leaves them alone.
        """
        return [process for pid in self._started() for process in _family(pid)]

    def _started(self) -> set[int]:
        if not self._is_known:
            return set()
        children = self._children(self._thread)
        own = children - self._others if self._in_step else children & self._own
        return own | self._threads_children() - self._of_threads

    def interrupt(self, processes: list[int], *, insists: bool = False) -> None:
        """Send SIGINT to processes, as a terminal does. Any thread.

        Args:
            processes: parents first: a shell whose command ends goes on with the next command.
            insists: kill them, and also those that have caught or ignored an earlier SIGINT.
        """
        if not self._is_known:
            return
        if insists:  # the parents of those in _told may be gone by now
            self._told = [*processes, *(pid for pid in self._told if pid not in processes)]
            _send(signal.SIGKILL, self._told)
        else:
            self._told = _interrupt_families(processes)

    def interrupt_late(self, insists: bool) -> None:
        """Send SIGINT to what the cell has started since :meth:`interrupt`. Any thread.

        What an interrupted process starts is left alone: it may be the cleanup of a script.

        Args:
            insists: kill these processes.
        """
        if not self._is_known:
            return
        late = [*self._started().difference(self._told)]
        if insists:
            late = [process for pid in late for process in _family(pid)]
            _send(signal.SIGKILL, late)
        else:
            late = _interrupt_families(late)
        self._told = [*self._told, *late]


def _interrupt_families(processes: Iterable[int]) -> list[int]:
    """Send SIGINT to processes and their descendants; return those that it was sent to.

    A terminal reaches a whole process group at once. Here one process comes after another, and
    a shell that already has its SIGINT would wait for a command that it starts at that moment.
    So the processes are stopped, parents first, until the last of them has its SIGINT.
    """
    told: list[int] = []
    stopped: list[int] = []
    waiting = deque(processes)
    try:
        while waiting:
            pid = waiting.popleft()
            if pid in told or not _is_of_this_session(pid):
                continue
            told.append(pid)
            if _is_running(pid):
                stopped.append(pid)
                _stop(pid)
            waiting.extend(_children(pid))
        _send(signal.SIGINT, told)
    finally:
        _send(signal.SIGCONT, stopped)
    return told


def _stop(pid: int) -> None:
    """Stop a process, and wait until it can start no other."""
    _send(signal.SIGSTOP, [pid])
    until = monotonic() + _STOPPING
    while _is_running(pid) and monotonic() < until:
        sleep(_FORK)


def _is_running(pid: int) -> bool:
    # The state follows the name, which may contain anything: see proc(5), /proc/pid/stat.
    state = b" ".join(_read(f"/proc/{pid}/stat")).rpartition(b") ")[2][:1]
    return state not in {b"", b"T", b"t", b"Z", b"X"}


def _send(number: signal.Signals, processes: Iterable[int]) -> None:
    for pid in filter(_is_of_this_session, processes):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants, as far as they belong to this process's POSIX session."""
    if _is_of_this_session(pid):
        yield pid
        for child in _children(pid):
            yield from _family(child)


def _children(pid: int) -> list[int]:
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(child) for task in tasks for child in _read(f"{task}/children")]


def _is_of_this_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0)
    except OSError:
        return False


def _has_children() -> bool:
    """Whether this process has a child, dead or alive; reaps none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _read(file: str) -> list[bytes]:
    # Called twice for each cell. Rejected: pathlib, which takes three times as long.
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(descriptor, _MOST).split()
    except OSError:
        return []
    finally:
        os.close(descriptor)
