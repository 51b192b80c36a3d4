"""Blender's main loop. Imported inside Blender only."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

import bpy

from hostkernel.host import HostLoop, guarded

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
    """A timer of Blender's window that looks at a mark each turn, and has slices run on a stage.

    Nothing of bpy may be called from another thread, so :meth:`wake` only sets the mark.
    While a client is at work the timer is due every turn of Blender's loop (about 5 ms, cut
    short by the core's signal); after ten quiet seconds every 20 ms.

    Blender drops a timer that raises, and the kernel would go with it. Ctrl-C, a signal handler
    and another thread can raise at any line of ours, so the timer's callable is a guarded one,
    and a wake counts as served only behind its slice: whatever a slice is cut short by, another
    is asked for.

    Args:
        area_type: where cells run, such as ``"VIEW_3D"``.
    """

    sleeps: ClassVar[bool] = True

    def __init__(self, area_type: str) -> None:
        self._tick: Tick | None = None
        self._wanted = self._served = object()
        self._last_wake = 0.0
        self._stage = Stage(area_type, self._slice)
        self._timer = guarded(self._turn, failed=_AFTER_FAILURE)
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
        self._wanted = object()

    def stop(self) -> None:
        """Called inside, on the main thread, once; soon Blender is as it was before."""
        self._tick = None
        self._handlers.close()
        while bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        # Not here: this may be the stage's own operator.
        bpy.app.timers.register(self._stage.close, persistent=True)

    def _register(self) -> None:
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, persistent=True)

    def _turn(self) -> float:
        if self._wanted is not self._served:
            self._last_wake = monotonic()
            self._stage.ask()
        return 0.0 if monotonic() - self._last_wake < _QUIET_AFTER else _QUIET_TURN

    def _slice(self) -> None:
        wanted = self._wanted
        try:
            if self._tick is not None:
                self._tick()
        except Exception:
            logging.getLogger(__name__).exception("a slice of the kernel failed")
        self._served = wanted
        self._stand_behind_others()

    def _stand_behind_others(self) -> None:
        # Timers that are due in one turn are called in the order of their registration. One of a
        # cell's must not find the operator there that ours has just begun for the next cell.
        if bpy.app.timers.is_registered(self._timer):
            # In this order: an exception in between must not leave the timer out.
            bpy.app.timers.register(self._timer, persistent=True)
            bpy.app.timers.unregister(self._timer)  # the older of the two
