"""Signals that end a process which hostkernel owns, such as Ctrl-C in ``hostkernel run``."""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from . import sigaction as signals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import FrameType

__all__ = ["SignalHandlers", "leave_to_forked_children", "raised_by_the_program"]

_DEFAULTS: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}  # SIG_DFL for all others
_forking = threading.local()


@cache  # once: nested registrations would put back each other's mask
def leave_to_forked_children(numbers: tuple[int, ...]) -> None:
    """Give signals that the kernel handles Python's default action in forked children, for good.

    ``multiprocessing.Pool`` sends SIGTERM to workers that it no longer needs, and waits for them.
    A handler in Python may never run: a signal that comes before the child is set up is lost, and
    one that comes just before a wait in C does not end the wait.
    """
    if not hasattr(os, "register_at_fork"):
        return

    def block() -> None:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def put_back() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)

    def leave() -> None:
        for number in numbers:
            if getattr(signal.getsignal(number), "__module__", "").startswith("hostkernel.kernel."):
                signal.signal(number, _DEFAULTS.get(number, signal.SIG_DFL))
        put_back()

    os.register_at_fork(before=block, after_in_parent=put_back, after_in_child=leave)


def raised_by_the_program() -> Callable[[BaseException], bool]:
    """Return a check whether an error comes from a signal handler that is set now.

    A handler that is set by now is the program's, not a cell's.
    """
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = frozenset(map(_code_of, handlers))

    def is_raised_there(error: BaseException) -> bool:
        return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))

    return is_raised_there


def _code_of(handler: object) -> object:
    while isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):  # a handler in C, or none
        return None
    code = getattr(handler, "__code__", None)
    return code or getattr(type(handler).__call__, "__code__", None)


class _WakeupPair:
    """A socket pair whose near end is the process's wakeup descriptor while a kernel uses it.

    Libraries save the wakeup descriptor that they find and put it back when they are done
    (asyncio, trio, the event loops of plotting libraries). So a pair that may be put back is
    kept open, and the next kernel takes it.
    """

    _kept: _WakeupPair | None = None

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self._before = -1

    @classmethod
    def take(cls) -> _WakeupPair:
        """Take a pair and make it the process's wakeup descriptor."""
        pair, cls._kept = cls._kept or cls(), None
        before = signal.set_wakeup_fd(pair.near.fileno(), warn_on_full_buffer=False)
        pair._before = -1 if before == pair.near.fileno() else before
        return pair

    def give_back(self) -> None:
        """Put back the earlier descriptor if this pair is in force, else keep the pair open.

        On the main thread.
        """
        if _replace_wakeup(self.near.fileno(), self._before):
            self.near.close()
            self.far.close()
        else:
            type(self)._kept = self

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Put the earlier wakeup descriptor in force while inside. Main thread."""
        ours = self.near.fileno()
        if not _replace_wakeup(ours, self._before):
            yield
            return
        try:
            yield
        finally:
            _replace_wakeup(self._before, ours)


def _replace_wakeup(old: int, new: int) -> bool:
    """Make ``new`` the wakeup descriptor if ``old`` is it; return whether it was."""
    found = signal.set_wakeup_fd(-1)
    with suppress(OSError, ValueError):  # the descriptor's owner has closed it since
        signal.set_wakeup_fd(new if found == old else found, warn_on_full_buffer=False)
    return found == old


class SignalHandlers:
    """Signal handlers that also work while the main thread waits in C, in the host's main loop.

    Python runs a handler only when the main thread runs bytecode. The signal's number is
    therefore also written to a socket that ``loop`` reads, which causes a slice.

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
        self._pair: _WakeupPair | None = _WakeupPair.take()
        loop.add_reader(self._pair.far, self._drain, self._pair.far)
        self._before = {number: self._take(number) for number in numbers}

    def _take(self, number: int) -> tuple[Any, bytes]:
        action = signals.action(number)
        return signal.signal(number, self._handle), action

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._closed:
            self._put_back()
            signal.raise_signal(number)
        else:
            self._called(number)

    @staticmethod
    def _drain(far: socket.socket) -> None:
        with suppress(BlockingIOError):
            far.recv(4096)

    def close(self) -> None:
        """Put the earlier handlers back.

        On the loop's thread. Only the main thread can set handlers: after a call on another
        thread, they are put back when one of the signals comes.
        """
        if self._pair is not None:
            self._loop.remove_reader(self._pair.far)
        self._closed = True
        if threading.current_thread() is threading.main_thread():
            self._put_back()

    def cell_runs(self) -> AbstractContextManager[None]:
        """Return a context for a step of a cell, in which the kernel's pair is not in force.

        Python runs handlers by itself there, and a library in a cell takes a foreign wakeup
        descriptor for a collision (trio).
        """
        if self._pair is None or threading.current_thread() is not threading.main_thread():
            return nullcontext()
        return self._pair.aside()

    def _put_back(self) -> None:
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.give_back()
        for number, (handler, action) in self._before.items():
            if signal.getsignal(number) == self._handle:
                # None stands for a handler in C, which only its C-level action can restore.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
                signals.restore(number, action)
