"""IPython's history of cells, written when the client has its answer.

Each override says what the original does, as in :mod:`hostkernel.kernel.shell`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from IPython.core.history import HistoryManager

if TYPE_CHECKING:
    import sqlite3

__all__ = ["HostHistory"]

# Seconds. Enough for a cell's answer; what a crash of the host costs of the history is no more.
_LATER = 0.05


class HostHistory(HistoryManager):
    """Lets the thread that writes wait a moment, which also makes one write of several cells."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._hurry = threading.Event()
        super().__init__(*args, **kwargs)

    def writeout_cache(self, conn: sqlite3.Connection | None = None) -> None:
        """Original: at once, where it takes Python's lock from the cell that has just begun.

        That is a fifth of a short cell's time. Whoever reads the history still finds all of it.
        """
        if threading.current_thread() is self.save_thread:
            self._hurry.wait(_LATER)
        super().writeout_cache(conn)

    def _stop_save_thread(self) -> None:
        """Original; and the thread waits no longer."""
        self._hurry.set()
        super()._stop_save_thread()
        self._hurry.clear()
