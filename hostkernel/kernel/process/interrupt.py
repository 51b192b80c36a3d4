"""Interrupt a running cell, and nothing else.

POSIX: a private signal to the kernel's thread, whose Python handler raises KeyboardInterrupt
only while a cell runs. Never SIGINT, never the process group, never another handler: the
host's children and the idle host do not notice. A kernel off the main thread is interrupted
by an asynchronous exception, which takes effect when a blocking C call returns.

Windows: the same, but with a signal that Windows never sends, which the kernel hands to the
interpreter without Windows. It cuts short what Ctrl-C would, such as ``time.sleep``.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import threading
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from hostkernel.kernel.base.boundaries import awaited_frames, inner_frames
from hostkernel.kernel.base.clock import monotonic

from .private_signal import PrivateSignal, has_thread_signals
from .pursuit import Pursuit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from .origins import Origins

__all__ = ["Cancel", "Interrupter"]

log = logging.getLogger("hostkernel.kernel")

_STUCK = 0.5  # seconds after which a step that is not a cell counts as stuck
_RESEND = (0.05, 0.2, 1.0, 4.0)  # seconds from one sending of the signal to the next
_GRACE = 1.0  # seconds from an interrupt request until a stuck step is interrupted
_HOSTS_GRACE = 1.0  # seconds that the host's code gets to return to the cell

# Their default action is to do nothing, so a late signal is harmless.
_INTERRUPT_CANDIDATES = ("SIGURG", "SIGCONT")
_WINDOWS_CANDIDATES = ("SIGILL", "SIGTERM")  # Windows itself never sends these


class Cancel:
    """Cancels a cell's future, on its loop.

    Attributes:
        done: whether the future is cancelled: the cell is notified before it does anything else.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.done = False
        self._loop = loop
        self._future = future

    def request(self) -> None:
        """Schedule the cancellation on the loop. Any thread."""
        self._loop.call_soon_threadsafe(self._do)

    def _do(self) -> None:
        self.done = True
        self._future.cancel()


class Watcher(Protocol):
    """Looks at the process around each step of a cell. On the kernel's thread."""

    def step_begins(self) -> None:
        """Handle the start of a step: a cell, or a callback of one, is about to run."""

    def step_ends(self) -> None:
        """Handle the end of a step: the cell or callback has returned, or awaits."""


class Interrupter:
    """Interrupts what the kernel runs. Made on the kernel's thread.

    That is a cell, or a cell's task or callback that does not return to the loop.

    Args:
        step_seconds: returns the seconds that the current step of the kernel's loop has lasted.

    Attributes:
        later: calls a function some seconds later, in another thread; called on any thread.
        cancel: for the cell that is suspended in an ``await``, if there is one.
        origins: tells the host's code from the cells' code, where the host's may run inside a
            cell.
        watchers: called when a step that may be interrupted begins and ends.
        beyond: finds what the cell has started outside of Python, and returns a function that
            passes the interrupt on to it; its argument is whether to insist. Any thread.
        beyond_late: passes the interrupt on to what the cell has started since; same argument.
        is_nested: whether the host's loop has run inside the cell since a moment, in seconds of
            :func:`time.monotonic`.
    """

    def __init__(self, step_seconds: Callable[[], float]) -> None:
        self.cancel: Cancel | None = None
        self.later: Callable[[float, Callable[[], None]], None] | None = None
        self.origins: Origins | None = None
        self.watchers: list[Watcher] = []
        self.beyond: Callable[[], Callable[[bool], object]] = lambda: bool
        self.beyond_late: Callable[[bool], object] = bool
        self.is_nested: Callable[[float], bool] = lambda _since: False
        self._step_seconds = step_seconds
        self._armed = False
        self._beginning = False
        self._came_early = False
        self._shielded = False
        self._insists = False
        self._pursuit: Pursuit | None = None
        self._waits_since: float | None = None  # for the host's code to return to the cell
        self._ended_at = 0.0  # when a cell's step, or the kernel's own work, last ended
        self._sent = False
        self._thrown = False
        self._thread = threading.get_ident()
        self._signal: PrivateSignal | None = None
        self._lost: list[PrivateSignal] = []
        if threading.current_thread() is threading.main_thread():
            self._signal = self._own_signal()

    def _own_signal(self) -> PrivateSignal:
        names = _INTERRUPT_CANDIDATES if has_thread_signals() else _WINDOWS_CANDIDATES
        return PrivateSignal(names, self._raise, restart=False)

    # On the kernel's thread: an interrupt has arrived

    def _raise(self, frame: FrameType | None) -> None:
        self._sent = False
        if self._beginning:
            self._came_early = True
        elif self._armed or self._is_stuck:
            self._pursue(inner_frames(frame))
        elif self.cancel is not None:  # the cell has reached an await since
            self._cancel(self.cancel)

    def raise_here(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs now."""
        self._pursue(inner_frames(sys._getframe(1)))

    def _pursue(self, frames: list[FrameType]) -> None:
        behind = self._behind_the_host(frames)
        waits_since = self._waits_since
        self._end_pursuit()
        if behind and not self._may_break_the_host(waits_since):
            self._waits_since = waits_since or monotonic()
            self._pursuit = pursuit = Pursuit(behind, insists=self._insists)
            pursuit.begin()
            if waits_since is None and self.later is not None:
                self.later(_HOSTS_GRACE, partial(self._break_if_pending, pursuit))
            return
        self._pursuit = Pursuit(frames, insists=self._insists)
        self._pursuit.begin()
        raise self._pursuit.error

    def _behind_the_host(self, frames: list[FrameType]) -> list[FrameType]:
        """The cell's frames if the host's own code runs inside the cell, else an empty list."""
        return self.origins.behind_the_host(frames) if self.origins is not None else []

    def _may_break_the_host(self, waits_since: float | None) -> bool:
        # The host's code gets a second, or until the next interrupt: a slot of the host may do
        # work that must be completed. In a nested loop of the host, breaking the current slot
        # would not end the loop, and the next slot has nothing to do with the cell.
        return waits_since is not None and not self.is_nested(waits_since)

    def _break_if_pending(self, pursuit: Pursuit) -> None:
        if self._pursuit is pursuit and pursuit.is_pending and self._armed:
            self._break()

    def _end_pursuit(self) -> bool:
        """Stop watching the interrupt; return whether it has arrived where it had to."""
        pursuit, self._pursuit = self._pursuit, None
        self._waits_since = None
        return pursuit is None or pursuit.end()

    def deliver(self) -> None:
        """Raise an interrupt that has not reached the cell's code before the code returned."""
        if self.here and not self._end_pursuit():
            raise KeyboardInterrupt

    def insist_on(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Pursue an insistent interrupt through a cancelled cell that is about to be resumed."""
        if self._insists and self.cancel is not None and self.cancel.done:
            self._end_pursuit()
            self._pursuit = Pursuit(awaited_frames(coroutine), insists=True)
            self._pursuit.begin()

    @property
    def _is_stuck(self) -> bool:
        if self._shielded:
            return False
        # A long cell makes a long step, and the end of this step is the kernel's own work: it
        # takes the next request, which an exception would lose.
        seconds = min(self._step_seconds(), monotonic() - self._ended_at)
        return seconds >= _STUCK

    # What runs

    @property
    def python_has_ctrl_c(self) -> bool:
        """Whether SIGINT has Python's default handler, which raises KeyboardInterrupt.

        At C level too, where an application may have put a handler that Python cannot see.
        """
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return False
        return self._signal is None or self._signal.handles(signal.SIGINT)

    @property
    def here(self) -> bool:
        """Whether the caller is on the kernel's thread, and not in a subshell."""
        return threading.get_ident() == self._thread

    @property
    def is_armed(self) -> bool:
        """Whether something that may be interrupted runs now."""
        return self._armed

    @property
    def is_shielded(self) -> bool:
        """Whether the kernel does its own work, in which no interrupt is raised."""
        return self._shielded and not self._armed

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let :meth:`fire` raise KeyboardInterrupt inside. Does nothing on other threads."""
        if not self.here:
            yield
            return
        outer, self._armed = self._armed, True
        try:
            if not outer:
                self._begin_step()
            yield
        finally:
            self._ended_at = monotonic()
            self._armed = outer
            if not outer:
                self._step_ended()

    def _begin_step(self) -> None:
        self._beginning = True
        try:
            self._end_pursuit()  # of a callback that was stuck, and has returned since
            self._keep_a_signal()
            for watcher in self.watchers:
                watcher.step_begins()
        finally:
            self._beginning = False
        early, self._came_early = self._came_early, False
        if early and self.cancel is not None:
            self._cancel(self.cancel)
        elif early:
            self.raise_here()

    def _step_ended(self) -> None:
        for watcher in self.watchers:
            watcher.step_ends()
        lost, self._thrown = self._thrown, False
        if lost:
            _raise_in_thread(self._thread, None)  # withdraw what has not been raised yet
        if (not self._end_pursuit() or lost) and self.cancel is not None:
            self._cancel(self.cancel)  # the cell has reached an await before the interrupt

    @contextmanager
    def shielded(self, shielded: bool = True) -> Iterator[None]:
        """Do not count a step as stuck while inside: the kernel does its own work.

        That work may also take long, on a busy loop or in a slow host. Does nothing on other
        threads.

        Args:
            shielded: False where the user's code runs again.
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
        """Reset after a request: an interrupt may have hit the very end of :meth:`armed`."""
        self._armed = self._insists = False
        self._end_pursuit()

    # Any thread: interrupt

    def fire(self, *, insists: bool = False) -> None:
        """Interrupt what runs, if anything does. Any thread.

        Args:
            insists: break also a cell that catches everything, as long as it runs Python code.
        """
        self._insists = insists
        reach = self.beyond() if self._armed or self.cancel is not None else None
        # Do only one: a second interrupt could hit the answer to the first.
        if self._armed or self._is_stuck:
            self._break()
        else:
            self._ask()
        if reach is not None:  # last: this ends what the cell waits for, and the cell would go on
            reach(insists)

    def _ask(self) -> None:
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
        # The loop may have scheduled the cell before the cancellation, and the cell still runs.
        if cancel.done or self.cancel is not cancel:
            return
        if self._armed:
            self._break()
        else:
            self._look_again(cancel, after)

    def _break_if_stuck(self) -> None:
        # A cell that runs now has begun after the interrupt, which was not meant for it.
        if self._is_stuck and not self._armed:
            self._break()

    def _break(self) -> None:
        if self._signal is not None and self._signal.is_ours:
            self._sent = True
            self._send(_RESEND)
            if self._sent and not (self._armed or self._is_stuck) and self.cancel is not None:
                self._cancel(self.cancel)  # the cell awaits now, and the signal may be unsent
            return
        if self._signal is not None:
            log.error("no free signal was found: a cell is interrupted when its call in C returns")
        if self._beginning:
            self._came_early = True
            return
        self._thrown = True
        _raise_in_thread(self._thread, self._carrier)

    def _send(self, again: tuple[float, ...]) -> None:
        # A signal that comes just before a system call does not cut the call short.
        if self._signal is None or not self._sent or not (self._armed or self._is_stuck):
            return
        if self._armed and again != _RESEND:  # ``os.system`` returns only when its child ends
            self.beyond_late(self._insists)
        self._signal.send()
        if again and self.later is not None:
            self.later(again[0], partial(self._send, again[1:]))

    @cached_property
    def _carrier(self) -> type[KeyboardInterrupt]:
        """The exception class to raise here from another thread; it becomes the pursuit's error."""

        def arrive(_carrier: object, *_value: object) -> BaseException:
            self._thrown = False
            if not self._armed:
                if self.cancel is not None:
                    self._cancel(self.cancel)
                return KeyboardInterrupt()
            self._end_pursuit()
            self._pursuit = Pursuit(inner_frames(sys._getframe(1)), insists=self._insists)
            self._pursuit.begin()
            return self._pursuit.error

        members = {"__new__": arrive, "__module__": "builtins"}
        return type("KeyboardInterrupt", (KeyboardInterrupt,), members)

    # The signal

    def _keep_a_signal(self) -> None:
        # A cell, or the host, may have put its own handler on the signal.
        if self._signal is not None and not self._signal.seems_ours:
            self._lost.append(self._signal)
            self._signal = self._own_signal()

    def close(self) -> list[str]:
        """Give the signal back, on the thread that made this object; return what is left alone."""
        self._end_pursuit()
        ours = [*self._lost, self._signal] if self._signal is not None else []
        return [left for each in ours for left in each.close()]


def _raise_in_thread(ident: int, error: type[BaseException] | None) -> None:
    raised = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), raised)
