"""A signal that nobody else uses, with a Python handler of the kernel."""

from __future__ import annotations

import _thread
import ctypes
import signal
import sys
import threading
from typing import TYPE_CHECKING

from . import sigaction as signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["PrivateSignal", "has_thread_signals", "wake_signal"]

_WAKE_CANDIDATES = ("SIGWINCH", "SIGCONT", "SIGURG")


class PrivateSignal:
    """A signal that nobody else uses, with a Python handler of the kernel, sent to one thread.

    Args:
        candidates: names to choose from; the first signal with the default action is taken.
        handler: called on the main thread, with the frame that the signal came to.
        restart: whether an interrupted system call goes on (SA_RESTART) or fails (EINTR).
    """

    def __init__(
        self,
        candidates: tuple[str, ...],
        handler: Callable[[FrameType | None], None],
        *,
        restart: bool,
    ) -> None:
        self._handler = handler
        self._thread = threading.get_ident()
        self.number = _free_signal(candidates)
        if self.number is None:
            return
        self._before = signals.action(self.number)
        signal.signal(self.number, self._called)
        if has_thread_signals():
            signal.siginterrupt(self.number, not restart)
        self._ours = signals.action(self.number)

    def _called(self, _signum: int, frame: FrameType | None) -> None:
        self._handler(frame)

    @property
    def is_ours(self) -> bool:
        """Whether the signal still has the handler that this object has set. Any thread."""
        if self.number is None or signal.getsignal(self.number) != self._called:
            return False
        return signals.is_like(self.number, self._ours)

    @property
    def seems_ours(self) -> bool:
        """As :attr:`is_ours`, but fast and without the C level. On the main thread."""
        return self.number is None or signal.getsignal(self.number) == self._called

    def handles(self, number: int) -> bool:
        """Whether Python's own C function handles ``number``, as far as this can be known."""
        return self.number is None or signals.is_like(number, self._ours)

    def send(self) -> None:
        """Send the signal to the thread that made this object; do nothing once closed."""
        if self.number is None:
            return
        if has_thread_signals():
            signal.pthread_kill(self._thread, self.number)
            return
        _thread.interrupt_main(signal.Signals(self.number))
        _end_sleep()

    def close(self) -> list[str]:
        """Put the earlier action back; return a sentence if somebody has changed it since."""
        number, self.number = self.number, None
        if number is None:
            return []
        found = signals.action(number)
        if signal.getsignal(number) != self._called:
            return [_left_alone(number)]
        # Python's view first: this sets the default at C level, whatever is in force.
        signal.signal(number, signal.SIG_DFL)
        signals.restore(number, self._before if found == self._ours else found)
        return [] if found == self._ours else [_left_alone(number)]


def _left_alone(number: int) -> str:
    name = signal.Signals(number).name
    return f"the handler of {name} was changed by somebody else and is left as it is"


def has_thread_signals() -> bool:
    """Whether a signal can be sent to one thread."""
    return hasattr(signal, "pthread_kill")


def _end_sleep() -> None:
    # On Windows, Ctrl-C sets this event beside calling a handler; all that it ends wait for it.
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


def wake_signal() -> PrivateSignal:
    """Make a signal whose only effect is that a sleep in C ends early."""
    # Windows has none of these signals, nor a sleep that they would end.
    return PrivateSignal(_WAKE_CANDIDATES, lambda _frame: None, restart=True)
