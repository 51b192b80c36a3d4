"""Break a running cell, and nothing else.

POSIX: a private signal to the kernel's thread, whose Python handler raises KeyboardInterrupt
only while a cell runs. Never SIGINT, never the process group, never another handler: the
host's children and the idle host do not notice. A kernel off the main thread is interrupted
by an asynchronous exception, which takes effect when a blocking C call returns.

Windows: the same, but the signal is one that Windows never sends, and the interpreter is told
of it without Windows. It cuts short what Ctrl-C would, such as ``time.sleep``.
"""

from __future__ import annotations

import _thread
import ctypes
import logging
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from . import signals
from .clock import monotonic

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

__all__ = ["Cancel", "Interrupter", "PrivateSignal", "without_ours"]

log = logging.getLogger("hostkernel.kernel")

_STUCK = 0.5  # seconds after which a step that is no cell is taken for an endless one
_RESEND = (0.05, 0.2, 1.0)  # seconds from each sending of the signal to the next
_GRACE = 1.0  # seconds that such a step gets, once somebody has asked

# Their default action is to do nothing, so that a late one is harmless.
_INTERRUPT_CANDIDATES = ("SIGURG", "SIGCONT")
_WINDOWS_CANDIDATES = ("SIGILL", "SIGTERM")  # which Windows itself never sends
_WAKE_CANDIDATES = ("SIGWINCH", "SIGCONT", "SIGURG")


class PrivateSignal:
    """A signal nobody uses, with a Python handler of ours, sent to one thread.

    Args:
        candidates: names to choose from; the first whose action is the default is taken.
        handler: called on the main thread.
        restart: whether an interrupted system call goes on (SA_RESTART) or fails (EINTR).
    """

    def __init__(
        self, candidates: tuple[str, ...], handler: Callable[[], None], *, restart: bool
    ) -> None:
        self._handler = handler
        self._thread = threading.get_ident()
        self.number = _free_signal(candidates)
        if self.number is None:
            return
        self._before = signals.action(self.number)
        signal.signal(self.number, self._called)
        if _has_thread_signals():
            signal.siginterrupt(self.number, not restart)
        self._ours = signals.action(self.number)

    def _called(self, _signum: int, _frame: FrameType | None) -> None:
        self._handler()

    def handles(self, number: int) -> bool:
        """Whether Python's own C function handles ``number``, as far as can be told."""
        return self.number is None or signals.is_like(number, self._ours)

    def send(self) -> None:
        """Send it to the thread that made this object; does nothing once closed."""
        if self.number is None:
            return
        if _has_thread_signals():
            signal.pthread_kill(self._thread, self.number)
            return
        _thread.interrupt_main(signal.Signals(self.number))
        _end_sleep()

    def close(self) -> list[str]:
        """Put the action back as it was; a sentence if somebody has changed it since."""
        number, self.number = self.number, None
        if number is None:
            return []
        found = signals.action(number)
        if signal.getsignal(number) != self._called:
            return [_left_alone(number)]
        # Python's view first: to C it says "default", whatever is in force.
        signal.signal(number, signal.SIG_DFL)
        signals.restore(number, self._before if found == self._ours else found)
        return [] if found == self._ours else [_left_alone(number)]


def _left_alone(number: int) -> str:
    name = signal.Signals(number).name
    return f"the handler of {name} was changed by somebody else and is left as it is"


def _has_thread_signals() -> bool:
    return hasattr(signal, "pthread_kill")


def _end_sleep() -> None:
    # What Ctrl-C sets on Windows, beside calling a handler; waited for by all that it ends.
    if sys.platform == "win32":
        event = ctypes.pythonapi._PyOS_SigintEvent
        event.restype = ctypes.c_void_p
        ctypes.windll.kernel32.SetEvent(ctypes.c_void_p(event()))


def _free_signal(candidates: tuple[str, ...]) -> int | None:
    for name in candidates:
        number = getattr(signal, name, None)
        if number is not None and signals.is_default(number):
            return int(number)
    return None


class Cancel:
    """Cancels a cell's future, on its loop.

    Attributes:
        done: whether that has happened: whatever the cell does next, it is told first.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.done = False
        self._loop = loop
        self._future = future

    def request(self) -> None:
        """Have it done as soon as the loop comes to it. Any thread."""
        self._loop.call_soon_threadsafe(self._do)

    def _do(self) -> None:
        self.done = True
        self._future.cancel()


class Interrupter:
    """Interrupts what the kernel runs. Made on the kernel's thread.

    That is a cell, or a task or callback of one that does not let go of the loop.

    Args:
        step_seconds: for how long the loop has been at one step of the kernel's own.

    Attributes:
        later: calls a function some seconds later, in another thread; called on any thread.
        cancel: for the cell that is suspended in an ``await``, if there is one.
    """

    def __init__(self, step_seconds: Callable[[], float]) -> None:
        self.cancel: Cancel | None = None
        self.later: Callable[[float, Callable[[], None]], None] | None = None
        self._step_seconds = step_seconds
        self._armed = False
        self._shielded = False
        self._ended_at = 0.0  # when a cell's step, or the kernel's own work, was last over
        self._sent = False
        self._thread = threading.get_ident()
        self._signal: PrivateSignal | None = None
        if threading.current_thread() is threading.main_thread():
            names = _INTERRUPT_CANDIDATES if _has_thread_signals() else _WINDOWS_CANDIDATES
            self._signal = PrivateSignal(names, self._raise, restart=False)

    def _raise(self) -> None:
        self._sent = False
        if self._armed or self._is_stuck:
            raise KeyboardInterrupt
        if self.cancel is not None:  # meanwhile the cell has come to an await
            self._cancel(self.cancel)

    @property
    def _is_stuck(self) -> bool:
        if self._shielded:
            return False
        # A long cell makes a long step, whose end is the kernel's own: there it takes the next
        # request, which an exception would lose.
        seconds = min(self._step_seconds(), monotonic() - self._ended_at)
        return seconds >= _STUCK

    @property
    def python_has_ctrl_c(self) -> bool:
        """Whether SIGINT has Python's default handler, which raises KeyboardInterrupt.

        At C level too: there an application may have put a handler that Python cannot see.
        """
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return False
        return self._signal is None or self._signal.handles(signal.SIGINT)

    @property
    def here(self) -> bool:
        """Whether the caller is on the kernel's thread, and in no subshell."""
        return threading.get_ident() == self._thread

    @property
    def is_armed(self) -> bool:
        """Whether something that may be interrupted runs this very moment."""
        return self._armed

    @property
    def is_shielded(self) -> bool:
        """Whether the kernel is at its own work, where no interrupt is raised."""
        return self._shielded and not self._armed

    @contextmanager
    def armed(self) -> Iterator[None]:
        """While inside, :meth:`fire` raises KeyboardInterrupt. Does nothing on other threads."""
        if not self.here:
            yield
            return
        outer, self._armed = self._armed, True
        try:
            yield
        finally:
            self._ended_at = monotonic()
            self._armed = outer

    @contextmanager
    def shielded(self, shielded: bool = True) -> Iterator[None]:
        """While inside, nothing is taken for stuck: the kernel is at its own work.

        On a loop that has much to do, or in a slow host, that may take long, too. Does nothing
        on other threads.

        Args:
            shielded: False where it is the user's code again.
        """
        if not self.here:
            yield
            return
        outer, self._shielded = self._shielded, shielded
        try:
            yield
        finally:
            self._ended_at = monotonic()
            self._shielded = outer

    def disarm(self) -> None:
        """A request has ended. An interrupt may have hit :meth:`armed` at its very end."""
        self._armed = False

    def fire(self) -> None:
        """Interrupt what runs, if anything does. Any thread."""
        # Either or, lest the second hits the answer to the first.
        if self._armed or self._is_stuck:
            self._break()
            return
        if (cancel := self.cancel) is not None:
            self._cancel(cancel)
        if self.later is not None:
            self.later(_GRACE, self._break_if_stuck)

    def _cancel(self, cancel: Cancel) -> None:
        cancel.request()
        self._look_again(cancel, _RESEND)

    def _look_again(self, cancel: Cancel, after: tuple[float, ...]) -> None:
        if after and self.later is not None:
            self.later(after[0], partial(self._break_unless_done, cancel, after[1:]))

    def _break_unless_done(self, cancel: Cancel, after: tuple[float, ...]) -> None:
        # The cell may have been the loop's next before it was cancelled, and not come back.
        if cancel.done or self.cancel is not cancel:
            return
        if self._armed:
            self._break()
        else:
            self._look_again(cancel, after)

    def _break_if_stuck(self) -> None:
        # A cell that runs by now has begun since then, and nobody wants it interrupted.
        if self._is_stuck and not self._armed:
            self._break()

    def _break(self) -> None:
        if self._signal is None:
            _raise_in_thread(self._thread)
        elif self._signal.number is None:
            log.error("no free signal was found at start: a cell cannot be interrupted")
        else:
            self._sent = True
            self._send(_RESEND)

    def _send(self, again: tuple[float, ...]) -> None:
        # A signal that comes just before a system call does not cut it short.
        if self._signal is None or not self._sent or not (self._armed or self._is_stuck):
            return
        self._signal.send()
        if again and self.later is not None:
            self.later(again[0], partial(self._send, again[1:]))

    def close(self) -> list[str]:
        """Give the signal back, on the thread that made this object; what was left alone."""
        return self._signal.close() if self._signal is not None else []


def without_ours(traceback: TracebackType | None) -> None:
    """Cut off the frames of this module, which an interrupt adds to what it has interrupted."""
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_next.tb_frame.f_globals is globals():
            traceback.tb_next = None
        traceback = traceback.tb_next


def _raise_in_thread(ident: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt)
    )


def wake_signal() -> PrivateSignal:
    """A signal whose only effect is that a sleep in C ends early."""
    # On Windows there is none of these, nor a sleep that they would end.
    return PrivateSignal(_WAKE_CANDIDATES, lambda: None, restart=True)
