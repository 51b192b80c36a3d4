"""The kernel's own thread sends its messages by itself.

Original: it hands them to two other threads, which take Python's lock from it meanwhile and
are heard of when it lets go, behind the cell. That was a third of a short cell's time.

A socket of ZeroMQ's may be used by several threads if a full fence lies between, which a lock
is (zmq_socket(3), "Thread safety"). One more thing is to be seen to: its descriptor tells of
an event once, and any use of the socket takes that note away from the thread that waits for it
(zmq_getsockopt(3), ``ZMQ_FD``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmq.eventloop.zmqstream import ZMQStream

__all__ = ["Replies", "SharedSocket", "read_news"]

_MORE = int(zmq.SNDMORE)


class SharedSocket(zmq.Socket[bytes]):
    """A socket that several threads use, one at a time."""

    # pyzmq takes what the class does not have for an option of the socket's.
    lock: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lock = threading.RLock()
        super().__init__(*args, **kwargs)

    @property
    def has_news(self) -> bool:
        """Whether a message waits, of which the thread that reads may not have heard."""
        with self.lock:
            return not self.closed and bool(self.get(zmq.EVENTS) & zmq.POLLIN)

    def get(self, option: int) -> Any:
        """Original, one thread at a time."""
        with self.lock:
            return super().get(option)

    def send_multipart(  # type: ignore[override]  # copy and track are among the keywords
        self, msg_parts: Sequence[Any], flags: int = 0, **kwargs: Any
    ) -> Any:
        """Original, one thread at a time, and it makes a new enum member for each of the parts.

        A short cell is answered with 28 of them, which are bytes. The original looks at what is
        not, so that no half of a message is sent.
        """
        with self.lock:
            if any(type(part) is not bytes for part in msg_parts):
                return super().send_multipart(msg_parts, flags, **kwargs)
            for part in msg_parts[:-1]:
                self.send(part, _MORE | flags, **kwargs)
            return self.send(msg_parts[-1], flags, **kwargs)

    def recv_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """Original, one thread at a time."""
        with self.lock:
            return super().recv_multipart(*args, **kwargs)

    def close(self, linger: int | None = None) -> None:
        """Original, one thread at a time."""
        with self.lock:
            super().close(linger)


def read_news(stream: ZMQStream) -> None:
    """Serve what waits on a stream's shared socket. On the thread of its loop."""
    socket: Any = stream.socket
    if socket is not None and not socket.closed:
        with socket.lock:  # it polls, too
            stream.flush(zmq.POLLIN)


class Replies:
    """What the kernel's thread sends its replies to, in place of a socket.

    Args:
        stream: that of the shell channel, whose socket is shared.
        close: called at the end.
    """

    def __init__(self, stream: ZMQStream, close: Callable[[], None]) -> None:
        self.close = close
        self._stream = stream
        self._socket: Any = stream.socket

    def send_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """As a socket does."""
        tracker = self._socket.send_multipart(*args, **kwargs)
        if self._socket.has_news:
            self._stream.io_loop.add_callback(read_news, self._stream)
        return tracker
