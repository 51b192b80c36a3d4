"""The thread that sends what the kernel publishes, and when it is passed by."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ipykernel.iostream import IOPubThread

from hostkernel.kernel.base.clock import sleep

from .sockets import read_news

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SETTLE", "PubThread"]

_PATIENCE = 10.0  # seconds that an undisturbed cell waits for its output to be sent
SETTLE = 0.0003  # seconds that a thread which was waited for needs to go back to sleep


class PubThread(IOPubThread):
    """The thread that sends what the kernel publishes.

    A cell that must not be disturbed waits for it: some hosts drop Python's lock inside a call
    and crash if another thread takes it there, see :attr:`hostkernel.Host.undisturbed`.

    Attributes:
        sends_here: whether the calling thread may send by itself. Not where an interrupt may
            come: it would leave half a message.
    """

    sends_here: Callable[[], bool] = staticmethod(bool)
    _undisturbed: int | None = None
    _handling = False

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While this runs, work for the thread is done when :meth:`schedule` returns."""
        outer, self._undisturbed = self._undisturbed, threading.get_ident()
        try:
            yield
        finally:
            self._undisturbed = outer

    @property
    def is_waited_for(self) -> bool:
        """Whether the caller would wait in :meth:`schedule`."""
        return threading.get_ident() == self._undisturbed

    def forget_dead_threads(self) -> None:
        """Close what threads that have ended were writing to. Any thread.

        Original: every ten seconds. Until then such a thread is kept, with the excepthook of
        its time, which is a method of the shell: nothing that a restart has dropped would go.
        """
        self.io_loop.add_callback(self._event_pipe_gc)

    def _handle_subscription(self, frames: list[bytes]) -> None:
        """Original: an empty message of a client's stops the greeting of all."""
        super()._handle_subscription([frame for frame in frames if frame])

    def _handle_event(self, msg: Any) -> None:
        """Original; and meanwhile nothing overtakes what it has in hand."""
        self._handling = True
        try:
            super()._handle_event(msg)
        finally:
            self._handling = False

    def send_multipart(self, *args: Any, **kwargs: Any) -> None:
        """Original: leaves it to the thread, always."""
        if self._events or self._handling or not self.sends_here():
            super().send_multipart(*args, **kwargs)
        else:
            self._really_send(*args, **kwargs)

    def _really_send(self, *args: Any, **kwargs: Any) -> None:
        """Original: takes no notice of who subscribes just then, until something else comes in."""
        super()._really_send(*args, **kwargs)
        if self.closed or not self.socket.has_news:
            return
        if threading.get_ident() == self.thread.ident:
            read_news(self._xpub_stream)
        elif self.thread.is_alive():
            super().schedule(partial(read_news, self._xpub_stream))

    def schedule(self, f: Callable[[], object]) -> None:
        """Original: returns at once, always."""
        if self._undisturbed is not None and threading.get_ident() == self.thread.ident:
            f()  # or the thread would wake up once more for it
        elif self.is_waited_for:
            self._wait_for(f)
        else:
            super().schedule(f)

    def _wait_for(self, f: Callable[[], object]) -> None:
        done = threading.Event()

        def call() -> None:
            try:
                f()
            finally:
                done.set()

        super().schedule(call)
        done.wait(_PATIENCE)
        sleep(SETTLE)
