"""Requests that wait for a turn of the host's main thread, and telling so.

While a host is busy by itself (a modal dialog, a long operator) its notebook looks dead. The
thread that receives requests goes on all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tornado.ioloop import IOLoop

__all__ = ["PATIENCE", "Turns"]

PATIENCE = 3.0  # seconds that a request may wait before its client is told


class Turns:
    """Who waits for a turn.

    Args:
        tell: called with the header of an execute request that has waited for too long, on the
            thread that receives requests.
    """

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self._late: set[str] = set()

    @property
    def any_late(self) -> bool:
        """Whether a request has been waiting for too long. Any thread."""
        return bool(self._late)

    def arrived(self, header: Mapping[str, Any], loop: IOLoop) -> None:
        """A request has come in, on the thread of ``loop``."""
        message = str(header["msg_id"])
        self._waiting[message] = header
        loop.call_later(PATIENCE, self._look_at, message)

    def begun(self, header: Mapping[str, Any]) -> None:
        """A request is being served. On the kernel's thread."""
        message = str(header.get("msg_id"))
        self._waiting.pop(message, None)
        self._late.discard(message)

    def _look_at(self, message: str) -> None:
        header = self._waiting.get(message)
        if header is None:
            return
        self._late.add(message)
        if message not in self._waiting:  # Begun between the two lines above.
            self._late.discard(message)
        elif header["msg_type"] == "execute_request":
            self._tell(header)
