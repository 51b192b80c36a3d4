"""Blender's main loop. Imported inside Blender only."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

import bpy

from hostkernel.host import HostLoop

from .context import Stage
from .handlers import Handlers

if TYPE_CHECKING:
    from typing import ClassVar

    from hostkernel.host import Tick

__all__ = ["BlenderLoop"]

_QUIET_AFTER = 10.0
_QUIET_TURN = 0.02
_AFTER_FAILURE = 1.0


class BlenderLoop(HostLoop):
    """A timer of Blender's window that looks at a flag each turn, and has slices run on a stage.

    Nothing of bpy may be called from another thread, so :meth:`wake` only sets the flag.
    While a client is at work the timer is due every turn of Blender's loop (about 5 ms, cut
    short by the core's signal); after ten quiet seconds every 20 ms.

    Args:
        area_type: where cells run, such as ``"VIEW_3D"``.
    """

    sleeps: ClassVar[bool] = True

    def __init__(self, area_type: str) -> None:
        self._tick: Tick | None = None
        self._woken = False
        self._last_wake = 0.0
        self._stage = Stage(area_type, self._slice)
        # Blender knows a timer by its identity, and a method is a new object each time.
        self._timer = self._turn
        self._handlers = Handlers()

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once; register the timer and the operator."""
        self._tick = tick
        self._last_wake = monotonic()
        self._stage.open()
        self._register()
        self._handlers.add("load_post", self._register)

    def wake(self) -> None:
        """Called inside, from any thread: have ``tick`` called in Blender's next turn."""
        self._woken = True

    def stop(self) -> None:
        """Called inside, on the main thread, once; soon Blender is as it was before."""
        self._tick = None
        self._handlers.close()
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        # Not here: this may be the stage's own operator.
        bpy.app.timers.register(self._stage.close, persistent=True)

    def _register(self) -> None:
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, persistent=True)

    def _turn(self) -> float | None:
        try:
            if self._woken:
                self._last_wake = monotonic()
                self._stage.ask()
        except BaseException:
            # Blender drops a timer that raises, and with it the kernel.
            logging.getLogger(__name__).exception("the timer in Blender's loop failed")
            return _AFTER_FAILURE
        if self._tick is None:
            return None
        return 0.0 if monotonic() - self._last_wake < _QUIET_AFTER else _QUIET_TURN

    def _slice(self) -> None:
        self._woken = False
        try:
            if self._tick is not None:
                self._tick()
        except BaseException:
            logging.getLogger(__name__).exception("a slice of the kernel failed")
        self._stand_behind_others()

    def _stand_behind_others(self) -> None:
        # Timers that are due in one turn are called in the order of their registration. One of a
        # cell's must not find the operator there that ours has just begun for the next cell.
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
            self._register()
