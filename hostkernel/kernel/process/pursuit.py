"""An interrupt that code in C swallows, raised again.

Code in C that calls back into Python often has no caller to pass an exception to: an application
prints what a handler or a slot raises, Python what ``__del__`` raises. A KeyboardInterrupt that
hits such a callback is lost, and the loop around it goes on. A :class:`Pursuit` watches the
frames that the exception has to pass through. If a frame executes an instruction without having
seen the exception, the pursuit raises it there again.

The watch is a trace function on these frames only, and only while an interrupt is under way.

Rejected: ``sys.monitoring``, which would do without the two tricks below. It needs Python 3.12,
and one mechanism is better than two. Rejected: a timer that raises again and again. It cannot
tell a callback that swallows from a cell's own ``except KeyboardInterrupt``, and raises in the
next callback as often as in the cell.
"""

from __future__ import annotations

import dis
import sys
from asyncio import CancelledError
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Trace = Callable[[FrameType, str, Any], Any]

__all__ = ["Pursuit"]

_DEPTH = 100  # how many exceptions to follow in a chain of causes and contexts
_HANDLER_BEGINS = dis.opmap["PUSH_EXC_INFO"]
_GOES_ON_UP = dis.opmap["RERAISE"]


def _without_finalizers(frames: list[FrameType]) -> list[FrameType]:
    """The frames outside of any ``__del__``, which may catch everything.

    The garbage collector calls ``__del__`` in the middle of unrelated code.
    """
    within = [n for n, frame in enumerate(frames) if frame.f_code.co_name == "__del__"]
    return frames[within[-1] + 1 :] if within else frames


def _no_new_frames(*_: object) -> None:
    """Trace no new frame; the thread's trace function during a pursuit."""


class Pursuit:
    """Follows one KeyboardInterrupt through the frames that it has to leave.

    Used on the thread that runs these frames.

    Args:
        frames: the innermost first.
        insists: raise again also where the code itself has caught the exception, until the last
            frame is left. ``finally`` and ``with`` on the way still do their work.

    Attributes:
        error: the current exception. The caller of :meth:`begin` raises it, unless it is to be
            raised where the first frame goes on.
    """

    def __init__(self, frames: list[FrameType], *, insists: bool = False) -> None:
        self.error: BaseException = KeyboardInterrupt()
        self._insists = insists
        self._frames = frames = _without_finalizers(frames)
        self._seen: set[FrameType] = set()
        self._handling: set[FrameType] = set()
        self._is_over = not frames
        self._raised_in: FrameType | None = None
        self._before: dict[FrameType, tuple[Any, bool]] = {}
        self._threads: Any = None

    @property
    def is_pending(self) -> bool:
        """Whether the exception may still have to reach one of the frames."""
        return not self._is_over

    def begin(self) -> None:
        """Start to watch the frames."""
        if self._is_over:
            return
        self._threads = sys.gettrace()
        for frame in self._frames:
            self._before[frame] = frame.f_trace, frame.f_trace_opcodes
            # Trace instructions, not lines: the next line may be outside of the cell's own `try`.
            frame.f_trace_opcodes = True
            frame.f_trace = _Watch(self, frame)
        self._trace_thread()

    def _trace_thread(self) -> None:
        # A tracer in Python stays: the watch calls the functions that the tracer has put on the
        # frames. A tracer in C, such as coverage's, would keep Python from looking at f_trace:
        # it is paused, and notices by itself when it is put back.
        call = vars(type(self._threads)).get("__call__")
        stays = isinstance(self._threads, FunctionType | MethodType)
        stays = stays or isinstance(call, FunctionType)
        sys.settrace(self._threads if stays else _no_new_frames)

    def end(self) -> bool:
        """Stop watching; return whether the interrupt has arrived where it had to."""
        arrived = self._is_over
        self._is_over = True
        self._stop()
        return arrived

    def _stop(self) -> None:
        if sys.gettrace() is _no_new_frames:
            sys.settrace(self._threads)
        for frame, (trace, opcodes) in self._before.items():
            watch = frame.f_trace
            if isinstance(watch, _Watch):
                frame.f_trace = watch.theirs if trace is not None else None
                frame.f_trace_opcodes = opcodes
        self._before.clear()
        self._frames = []
        self._seen.clear()
        self._handling.clear()

    def theirs(self, frame: FrameType) -> Trace | None:
        """The trace function that ``frame`` had before."""
        trace: Trace | None = self._before[frame][0] if frame in self._before else None
        return trace

    def wants_opcodes(self, frame: FrameType) -> bool:
        """Whether ``frame`` was traced by instructions before."""
        return frame in self._before and self._before[frame][1]

    def must_raise(self, frame: FrameType, event: str, arg: Any) -> bool:
        """Whether to raise :attr:`error` at this event of one of the frames."""
        if self._is_over or frame not in self._before:
            return False
        if event == "exception":
            self._note(frame, arg[1])
        elif event == "return":
            self._returns(frame, arg)
        elif self._must_hear(frame):
            self.error = KeyboardInterrupt()
            self._seen.add(frame)
            self._raised_in = frame
            return True
        return False

    def _note(self, frame: FrameType, error: BaseException) -> None:
        ours = KeyboardInterrupt if not self._insists else (KeyboardInterrupt, CancelledError)
        if isinstance(error, ours):
            self.error = error
        if self._is_behind(error):
            self._seen.add(frame)

    def _is_behind(self, error: BaseException | None) -> bool:
        for _ in range(_DEPTH):
            if error is None or error is self.error:
                break
            error = error.__cause__ or error.__context__
        return error is self.error

    def _returns(self, frame: FrameType, value: object) -> None:
        if frame is self._frames[-1]:
            arrived = frame in self._seen
            self._stop()
            self._is_over = arrived
        elif value is not None and frame in self._seen and not self._insists:
            self.end()

    def _must_hear(self, frame: FrameType) -> bool:
        instruction = frame.f_code.co_code[frame.f_lasti]
        if instruction == _HANDLER_BEGINS:
            return False  # the next instruction shows which exception it is
        if self._is_behind(sys.exception()):
            self._seen.add(frame)
            self._handling.add(frame)
        elif instruction == _GOES_ON_UP:
            self._handling.discard(frame)
        elif frame not in self._seen:
            return True
        elif frame in self._handling:  # until now: the code has caught the exception and goes on
            return self._has_caught(frame)
        return False

    def _has_caught(self, frame: FrameType) -> bool:
        if not self._insists:
            self.end()
            return False
        self._handling.discard(frame)
        return True

    def go_on(self, frame: FrameType) -> None:
        """Set the trace functions again, which Python has dropped because one has raised."""
        if self._raised_in is not frame or self._is_over:
            return
        self._raised_in = None
        frame.f_trace = _Watch(self, frame)
        self._trace_thread()


class _Watch:
    """The trace function of one frame, which holds the only reference to it.

    Python drops a trace function that raises, and the thread's with it. That frees this object,
    and ``__del__`` resumes the watch: the next frame's caller may swallow the exception too.
    """

    def __init__(self, pursuit: Pursuit, frame: FrameType) -> None:
        self._pursuit = pursuit
        self._frame = frame
        self.theirs = pursuit.theirs(frame)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Watch:
        pursuit = self._pursuit
        if self.theirs is not None and (event != "opcode" or pursuit.wants_opcodes(frame)):
            self.theirs = self.theirs(frame, event, arg) or self.theirs
        if pursuit.must_raise(frame, event, arg):
            error = pursuit.error
            del self, pursuit, frame, arg  # this frame is in the error's traceback
            raise error
        return self

    def __del__(self) -> None:
        self._pursuit.go_on(self._frame)
