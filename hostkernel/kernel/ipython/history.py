"""IPython's history of cells, written when the client has its reply.

Each override says what it does, then what upstream does, as in
:mod:`hostkernel.kernel.ipython.shell`.
"""

from __future__ import annotations

import sys
import threading
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.history import HistoryManager

from hostkernel.kernel.base.clock import monotonic, sleep

from .iopub import SETTLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from tornado.ioloop import IOLoop

__all__ = ["HostHistory"]

# Seconds until a write. Enough for a cell's reply; a crash of the host loses no more than that.
_LATER = 0.05
_LATEST = 1.0  # seconds that a series of cells may postpone a write
_PATIENCE = 10.0  # seconds that an undisturbed cell waits for earlier ones to be written


class HostHistory(HistoryManager):
    """A history whose thread waits briefly before it writes, which also bundles several cells.

    Args:
        cells_loop: returns the loop that cells run in, where the thread must not run beside a
            cell (:attr:`hostkernel.Host.undisturbed`). The thread then writes after the cell, so
            a cell that crashes the host is missing from the history.
    """

    def __init__(
        self, *args: Any, cells_loop: Callable[[], IOLoop] | None = None, **kwargs: Any
    ) -> None:
        self._hurry = threading.Event()
        self._cells_loop = cells_loop
        self._cancel_write: Callable[[], None] | None = None
        self._stored_at = self._waits_since = 0.0
        self._written = threading.Event()
        self._written.set()
        super().__init__(*args, **kwargs)
        if cells_loop is not None:
            self.db_cache_size = sys.maxsize  # upstream wakes the thread as a cell begins

    def writeout_cache(self, conn: sqlite3.Connection | None = None) -> None:
        """Write the cache; its own thread waits briefly first.

        Upstream: writes at once and competes for the GIL with the cell that has just begun, which
        takes a fifth of a short cell's time. A reader of the history still finds all of it.
        """
        if self._cells_loop is None and threading.current_thread() is self.save_thread:
            self._hurry.wait(_LATER)
        try:
            super().writeout_cache(conn)
        finally:
            self._written.set()

    def store_inputs(self, *args: Any, **kwargs: Any) -> None:
        """Store a cell's source; an undisturbed cell begins only when the thread sleeps."""
        self._await_write()
        super().store_inputs(*args, **kwargs)
        if self._cells_loop is not None and self.using_thread:
            self._stored_at = monotonic()
            if self._cancel_write is None:
                self._waits_since = self._stored_at
                self._write_later(self._cells_loop(), _LATER)

    def _write_later(self, loop: IOLoop, seconds: float) -> None:
        # A fresh context: in the cell's own, the timer would run as a callback of that cell.
        timer = Context().run(loop.call_later, seconds, self._write_if_quiet, loop)
        self._cancel_write = partial(loop.remove_timeout, timer)

    def _write_if_quiet(self, loop: IOLoop) -> None:
        # A cell that comes during the write has to wait.
        now = monotonic()
        if now - self._stored_at < _LATER and now - self._waits_since < _LATEST:
            self._write_later(loop, self._stored_at + _LATER - now)
        else:
            self._write_now()

    def _await_write(self) -> None:
        if not self._written.is_set():
            if self.save_thread is not None and self.save_thread.is_alive():
                self._written.wait(_PATIENCE)
            self._written.set()  # no further cell waits, even if the write has failed
            sleep(SETTLE)

    def _write_now(self) -> None:
        self._cancel_write = None
        self._restart_thread_if_stopped()
        if self.save_thread is not None:
            self._written.clear()
            self.save_thread.save_flag.set()

    def _stop_save_thread(self) -> None:
        """Cancel the pending write and the thread's wait, then do what upstream does."""
        cancel, self._cancel_write = self._cancel_write, None
        if cancel is not None:
            cancel()
        self._hurry.set()
        super()._stop_save_thread()
        self._hurry.clear()
