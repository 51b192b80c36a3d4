"""The IOPub thread, and when the kernel's thread bypasses it."""

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
SETTLE = 0.0003  # seconds that a thread needs to go back to sleep after a wait for it


class PubThread(IOPubThread):
    """The IOPub thread, which sends what the kernel publishes.

    An undisturbed cell waits for this thread: some hosts release the GIL inside a call and crash
    if another thread takes it there, see :attr:`hostkernel.Host.undisturbed`.

    Attributes:
        sends_here: whether the calling thread may bypass this one. Not where an interrupt may
            come: it would leave half a message.
    """

    sends_here: Callable[[], bool] = staticmethod(bool)
    _undisturbed: int | None = None
    _handling = False

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While inside, have the caller's :meth:`schedule` wait until the work is done."""
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
        """Close the pipes of threads that have ended. Any thread.

        Upstream: does so every 10 seconds. Until then it keeps each ended thread, and with it the
        excepthook of its time, a method of the shell: nothing that a restart drops is freed.
        """
        self.io_loop.add_callback(self._event_pipe_gc)

    def _handle_subscription(self, frames: list[bytes]) -> None:
        """Greet new clients, and skip empty messages.

        Upstream: one client's empty message stops the greeting of all clients.
        """
        super()._handle_subscription([frame for frame in frames if frame])

    def _handle_event(self, msg: Any) -> None:
        """Do what upstream does, and let nothing overtake the work in hand."""
        self._handling = True
        try:
            super()._handle_event(msg)
        finally:
            self._handling = False

    def send_multipart(self, *args: Any, **kwargs: Any) -> None:
        """Send at once where allowed and nothing waits. Upstream: always uses the thread."""
        if self._events or self._handling or not self.sends_here():
            super().send_multipart(*args, **kwargs)
        else:
            self._really_send(*args, **kwargs)

    def _really_send(self, *args: Any, **kwargs: Any) -> None:
        """Send, then read the subscriptions that have come in.

        Upstream: does not notice a new subscription until something else comes in.
        """
        super()._really_send(*args, **kwargs)
        if self.closed or not self.socket.has_news:
            return
        if threading.get_ident() == self.thread.ident:
            read_news(self._xpub_stream)
        elif self.thread.is_alive():
            super().schedule(partial(read_news, self._xpub_stream))

    def schedule(self, f: Callable[[], object]) -> None:
        """Run ``f`` in the thread, and wait for it if the caller is undisturbed.

        Upstream: always returns at once.
        """
        if self._undisturbed is not None and threading.get_ident() == self.thread.ident:
            f()  # else the thread would wake up once more for it
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
