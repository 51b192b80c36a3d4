"""Sockets with which the kernel's thread sends its messages by itself.

Upstream: ipykernel hands messages to two other threads; they compete for the GIL and send only
after the cell has released it. That was a third of a short cell's time.

Several threads may use a ZeroMQ socket if there is a full fence between their uses, which a lock
is (zmq_socket(3), "Thread safety"). One more thing needs care: the socket's file descriptor
signals an event once, and any use of the socket takes that signal from the thread that waits
for it (zmq_getsockopt(3), ``ZMQ_FD``).
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

    # pyzmq takes an attribute that the class does not have for a socket option.
    lock: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lock = threading.RLock()
        super().__init__(*args, **kwargs)

    @property
    def has_news(self) -> bool:
        """Whether a message waits that the reading thread may not have noticed."""
        with self.lock:
            return not self.closed and bool(self.get(zmq.EVENTS) & zmq.POLLIN)

    def get(self, option: int) -> Any:
        """Do what upstream does, one thread at a time."""
        with self.lock:
            return super().get(option)

    def send_multipart(  # type: ignore[override]  # copy and track are among the keywords
        self, msg_parts: Sequence[Any], flags: int = 0, **kwargs: Any
    ) -> Any:
        """Send a message, one thread at a time.

        Upstream: makes a new enum member for each part; a short cell is answered with 28 parts,
        which are bytes. A message with other parts is left to upstream, which checks them first,
        so that half a message is never sent.
        """
        with self.lock:
            if any(type(part) is not bytes for part in msg_parts):
                return super().send_multipart(msg_parts, flags, **kwargs)
            for part in msg_parts[:-1]:
                self.send(part, _MORE | flags, **kwargs)
            return self.send(msg_parts[-1], flags, **kwargs)

    def recv_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """Do what upstream does, one thread at a time."""
        with self.lock:
            return super().recv_multipart(*args, **kwargs)

    def close(self, linger: int | None = None) -> None:
        """Do what upstream does, one thread at a time."""
        with self.lock:
            super().close(linger)


def read_news(stream: ZMQStream) -> None:
    """Serve what waits on a stream's shared socket, on the thread of the stream's loop."""
    socket: Any = stream.socket
    if socket is not None and not socket.closed:
        with socket.lock:  # ``flush`` also polls the socket
            stream.flush(zmq.POLLIN)


class Replies:
    """Takes the replies of the kernel's thread, in place of a socket.

    Args:
        stream: the shell channel's stream, whose socket is shared.
        close: called at the end.
    """

    def __init__(self, stream: ZMQStream, close: Callable[[], None]) -> None:
        self.close = close
        self._stream = stream
        self._socket: Any = stream.socket

    def send_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """Send a reply as a socket does, and have the stream's loop serve what waits."""
        tracker = self._socket.send_multipart(*args, **kwargs)
        if self._socket.has_news:
            self._stream.io_loop.add_callback(read_news, self._stream)
        return tracker
