"""Signals that end a process which hostkernel owns, such as Ctrl-C in ``hostkernel run``."""

from __future__ import annotations

import os
import signal
import socket
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from . import signals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from types import FrameType

__all__ = ["SignalHandlers", "leave_to_forked_children"]

_DEFAULTS: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}  # SIG_DFL for all others
_forking = threading.local()


@cache  # once: nested ones would put back each other's mask
def leave_to_forked_children(numbers: tuple[int, ...]) -> None:
    """Have signals that we handle do in forked children what they do in any process, for good.

    ``multiprocessing.Pool`` sends SIGTERM to workers that it no longer needs, and waits for them.
    A handler in Python may never run: one that comes before the child is set up is forgotten, and
    one that comes just before a wait in C does not end it.
    """
    if not hasattr(os, "register_at_fork"):
        return

    def block() -> None:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def put_back() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)

    def leave() -> None:
        for number in numbers:
            if getattr(signal.getsignal(number), "__module__", "").startswith(f"{__package__}."):
                signal.signal(number, _DEFAULTS.get(number, signal.SIG_DFL))
        put_back()

    os.register_at_fork(before=block, after_in_parent=put_back, after_in_child=leave)


class SignalHandlers:
    """Handlers that work also while the main thread waits in C, inside somebody's main loop.

    Python runs a handler only when the main thread runs bytecode. The signal's number is
    therefore also written to a socket that ``loop`` reads, which brings about a slice.

    Args:
        numbers: the signals.
        loop: the kernel's loop.
        called: called on the main thread with the signal's number.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        loop: asyncio.AbstractEventLoop,
        called: Callable[[int], None],
    ) -> None:
        self._called = called
        self._loop = loop
        self._closed = False
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        loop.add_reader(self._far, self._drain)
        self._before = {number: self._take(number) for number in numbers}
        self._wakeup = signal.set_wakeup_fd(self._near.fileno(), warn_on_full_buffer=False)

    def _take(self, number: int) -> tuple[Any, bytes]:
        action = signals.action(number)
        return signal.signal(number, self._handle), action

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._closed:
            self._put_back()
            signal.raise_signal(number)
        else:
            self._called(number)

    def _drain(self) -> None:
        self._far.recv(4096)

    def close(self) -> None:
        """Put the handlers back that were there.

        On the loop's thread. Only the main thread can set handlers: off it, they are put back
        when one of the signals comes.
        """
        self._loop.remove_reader(self._far)
        self._closed = True
        if threading.current_thread() is threading.main_thread():
            self._put_back()

    def _put_back(self) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, (handler, action) in self._before.items():
            if signal.getsignal(number) == self._handle:
                # None stands for a handler from C, which only its action brings back.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
                signals.restore(number, action)
        self._near.close()
        self._far.close()
