"""Nested event loops that a cell has opened, and how an interrupt ends them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .bindings import application, loaded
from .loop import Bell, QtLoop

if TYPE_CHECKING:
    from types import FrameType

    from hostkernel.host import Tick

__all__ = ["InterruptibleLoop"]


class InterruptibleLoop(QtLoop):
    """Qt's event loop, which can close what a cell has opened on top of it.

    A dialog's ``exec()`` returns to the cell only when the dialog is closed, so an interrupt
    closes it. A dialog that the program itself has opened, above the cell's or below, is left
    to the user.
    """

    def __init__(self) -> None:
        super().__init__()
        self._level: int | None = None  # level of the loop that the cell runs in
        self._turn = self._interrupted_turn = 0
        self._closer: Bell | None = None

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once, possibly before there is an application."""

        def counted() -> float | None:
            if self._level is not None:
                return tick()
            self._level = _level()
            self._turn += 1
            try:
                return tick()
            finally:
                self._level = None

        self._closer = Bell(self._close_the_cells)
        super().start(counted)

    def stop(self) -> None:
        """Called inside, on the main thread, once: remove both bells from the program."""
        if self._closer is not None:
            self._closer.close()
        super().stop()

    def interrupted(self) -> None:
        """Called inside, on any thread: close the dialog or loop that the cell waits for."""
        if self._closer is not None:
            self._interrupted_turn = self._turn
            self._closer.ring()

    def _close_the_cells(self) -> None:
        # If this runs in a later turn, the interrupt is not meant for the cell of that turn.
        if self._level is None or self._interrupted_turn != self._turn:
            return
        if _level() != self._level + 1:
            return
        if not _close_window():
            _quit_loop(sys._getframe(1))


def _level() -> int:
    return int(loaded().QThread.currentThread().loopLevel())


def _close_window() -> bool:
    app = application()
    for find in ("activePopupWidget", "activeModalWidget"):
        window = getattr(app, find)() if hasattr(app, find) else None
        if window is not None:
            getattr(window, "reject", window.close)()
            return True
    return False


def _quit_loop(frame: FrameType | None) -> None:
    """Quit the QEventLoop that the cell runs, if exactly one is a local variable of its frames."""
    kind = loaded().QEventLoop
    found: list[Any] = []
    while frame is not None and frame.f_globals.get("__name__") != "hostkernel.kernel.guest.pump":
        names = [*frame.f_locals.values()]
        found += [each for each in names if isinstance(each, kind) and each.isRunning()]
        frame = frame.f_back
    if len({id(each) for each in found}) == 1:
        found[0].quit()
