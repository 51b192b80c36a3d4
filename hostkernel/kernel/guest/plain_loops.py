"""The event loops of the kernel's own threads, and the clock that they use."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostkernel.kernel.base.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OwnLoop", "plain_loops"]


class OwnLoop(asyncio.SelectorEventLoop):
    """A loop that the kernel owns; its timers go on when a cell freezes :mod:`time`."""

    def time(self) -> float:
        """Return the time of the kernel's own clock, in seconds."""
        return monotonic()


@contextmanager
def plain_loops() -> Iterator[None]:
    """Give this thread plain event loops while the context is entered.

    The application's policy may make loops that work on its main thread only, as Qt's do, or
    that cannot watch ZeroMQ's sockets, as those of Windows. Other threads still get such loops.
    """
    thread = threading.get_ident()
    new = asyncio.new_event_loop

    def plain() -> asyncio.AbstractEventLoop:
        return OwnLoop() if threading.get_ident() == thread else new()

    vars(asyncio)["new_event_loop"] = plain
    try:
        yield
    finally:
        vars(asyncio)["new_event_loop"] = new
