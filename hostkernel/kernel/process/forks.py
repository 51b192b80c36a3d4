"""A child that a cell forks runs what it was forked for, and exits.

``os.fork()`` copies the whole process and returns into the kernel, with the host's main loop
below it: the child would become a second copy of the user's application, on the same sockets.
So a child that returns to the kernel exits there, as a script does at its end.

Forks of the host are left alone, and so are those of libraries that leave their child by
``os._exit``, such as multiprocessing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from hostkernel.kernel.base.boundaries import boundary_of
from hostkernel.kernel.base.context import in_a_cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["Forks"]

_STDERR = 2
_current: Forks | None = None


class Forks:
    """Notices that this process is a forked child of a cell. Made on the kernel's thread.

    Args:
        is_cells: whether a frame runs code that a cell defined.
    """

    def __init__(self, is_cells: Callable[[FrameType], bool]) -> None:
        global _current
        self._is_cells = is_cells
        self._thread = threading.get_ident()
        self.is_child = False
        _current = self
        _register()

    def close(self) -> None:
        """Ignore forks from now on; Python cannot take back the registration itself."""
        global _current
        if _current is self:
            _current = None

    def forked(self, frame: FrameType) -> None:
        """Arrange the end of this process, a child that has just been forked in ``frame``."""
        if threading.get_ident() != self._thread:
            return  # forked in another thread: the child ends with this thread
        frames, caller = boundary_of(frame)
        in_loop = next((n for n, each in enumerate(frames) if _is_loops(each)), None)
        if in_loop is not None and in_a_cell.get():
            _leave_with(frames[in_loop - 1])  # a task, or a callback that the loop calls
        elif in_loop is None and caller is not None:
            self.is_child = True  # the caller of the user's code checks this when it returns
        elif cells := [each for each in frames[:in_loop] if self._is_cells(each)]:
            _leave_with(cells[-1])  # a callback that code in C calls

    def leave_child(self, error: BaseException | None = None) -> None:
        """End this process if it is a child, with the error that has ended its code, if any."""
        if self.is_child:
            _leave(error)


def _is_loops(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "asyncio.events"


@cache
def _register() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    if _current is not None:
        _current.forked(sys._getframe(1))


def _leave_with(frame: FrameType) -> None:
    # C code, or asyncio, has called this callback, and would go on with the next one.
    raised: list[BaseException] = []

    def watch(_frame: FrameType, event: str, value: Any) -> Any:
        if event == "exception":
            raised[:] = [value[1]]
        elif event == "line":
            raised.clear()
        elif event == "return":
            _leave(raised[0] if raised else None)
        return watch

    frame.f_trace = watch
    sys.settrace(lambda *_: None)


def _leave(error: BaseException | None) -> NoReturn:
    status = 0
    with contextlib.suppress(BaseException):
        status = _status(error)
        lines = [] if error is None or isinstance(error, SystemExit) else _format(error)
        name = f"hostkernel: the forked child {os.getpid()}"
        lines.append(f"{name} has come to the end of its cell and exits with status {status}\n")
        for stream in filter(None, (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
            with contextlib.suppress(Exception):
                stream.flush()
        os.write(_STDERR, "".join(lines).encode(errors="backslashreplace"))
    os._exit(status)


def _format(error: BaseException) -> list[str]:
    return traceback.format_exception(error)


def _status(error: BaseException | None) -> int:
    if not isinstance(error, SystemExit):
        return int(error is not None)
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    os.write(_STDERR, f"{error.code}\n".encode(errors="backslashreplace"))
    return 1
