"""The event loops of the kernel's own threads, and what they tell the time by."""

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
    """A loop of the kernel's own, whose timers do not stop with the clock of the cells."""

    def time(self) -> float:
        """The kernel's own clock."""
        return monotonic()


@contextmanager
def plain_loops() -> Iterator[None]:
    """While inside, new loops that this thread asks for are plain ones.

    The application's policy may give loops that work on its main thread only, as Qt's do, or
    that cannot watch ZeroMQ's sockets, as that of Windows. Other threads are given its loops.
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
