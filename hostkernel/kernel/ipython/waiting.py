"""Requests that wait for a turn of the host's main thread, and which client to tell so.

While a host is busy by itself (a modal dialog, a long operator) its notebook looks dead. The
thread that receives requests continues to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostkernel.kernel.base.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tornado.ioloop import IOLoop

__all__ = ["PATIENCE", "Turns"]

PATIENCE = 3.0  # seconds that a request may wait before its client is told
_PAUSE = 0.25  # least seconds between two checks of the requests that wait


class Turns:
    """The requests that wait for a turn.

    Args:
        tell: called with the header of an execute request that has waited for too long, on the
            thread that receives requests.
    """

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self._waiting: dict[bytes, tuple[float, Mapping[str, Any]]] = {}
        self._late: set[bytes] = set()
        self._is_looking = False

    @property
    def any_late(self) -> bool:
        """Whether a request has been waiting for too long. Any thread."""
        return bool(self._late)

    def arrived(self, frame: bytes | None, header: Mapping[str, Any], loop: IOLoop) -> None:
        """Note that a request has come in.

        Args:
            frame: the request's header as it was sent, which no other request has.
            header: the same header, decoded.
            loop: the event loop of the calling thread.
        """
        if frame is not None:
            self._waiting[frame] = (monotonic() + PATIENCE, header)
            self._look_later(loop)

    def begun(self, frame: bytes | None) -> None:
        """Note that a request is being served, on the kernel's thread."""
        if frame is not None:
            self._waiting.pop(frame, None)
            self._late.discard(frame)

    def _look_later(self, loop: IOLoop) -> None:
        # One timer for all, not one for each request: a timer takes the GIL, while a cell that
        # must not be disturbed may run.
        if self._is_looking:
            return
        due = [time for frame, (time, _) in self._waiting.copy().items() if frame not in self._late]
        if due:
            self._is_looking = True
            loop.call_later(max(_PAUSE, min(due) - monotonic()), self._look, loop)

    def _look(self, loop: IOLoop) -> None:
        self._is_looking = False
        for frame, (time, header) in self._waiting.copy().items():
            if time <= monotonic() and frame not in self._late:
                self._is_late(frame, header)
        self._look_later(loop)

    def _is_late(self, frame: bytes, header: Mapping[str, Any]) -> None:
        self._late.add(frame)
        if frame not in self._waiting:  # It has begun since _look checked.
            self._late.discard(frame)
        elif header["msg_type"] == "execute_request":
            self._tell(header)
