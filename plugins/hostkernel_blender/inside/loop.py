"""Blender's main loop. Imported inside Blender only."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

import bpy

from hostkernel.host import HostLoop, Wakes, guarded

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
    """A Blender timer that checks a mark each turn and requests slices from a stage.

    Other threads must not call bpy, so :meth:`wake` only sets the mark. While a client is active
    the timer is due every turn of Blender's loop (about 5 ms, cut short by the core's signal);
    after 10 seconds without a wake, every 20 ms.

    Blender drops a timer that raises, and the kernel would stop with it. Ctrl-C, a signal handler
    and another thread can raise at any line of this class, so the timer's callable is guarded,
    and a wake counts as served only after its slice: if a slice is cut short, another one is
    requested.

    Args:
        area_type: where cells run, such as ``"VIEW_3D"``.
    """

    wakes: ClassVar[Wakes] = Wakes.BY_SIGNAL

    def __init__(self, area_type: str) -> None:
        self._tick: Tick | None = None
        self._wanted = self._served = object()
        self._last_wake = 0.0
        self._stage = Stage(area_type, self._slice)
        self._timer = guarded(self._turn, failed=_AFTER_FAILURE)
        self._handlers = Handlers()

    def start(self, tick: Tick) -> None:
        """Register the timer and the operators; called inside, on the main thread, once."""
        self._tick = tick
        self._last_wake = monotonic()
        self._stage.open()
        self._register()
        self._handlers.add("load_post", self._register)

    def wake(self) -> None:
        """Request a call of ``tick`` in Blender's next turn; called inside, from any thread."""
        self._wanted = object()

    def stop(self) -> None:
        """Remove the timer now and the operators soon; called inside, on the main thread, once."""
        self._tick = None
        self._handlers.close()
        while bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        # Not here: the stage's own operator may be the caller.
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
        # Blender calls the timers that are due in one turn in the order of their registration. A
        # cell's timer must not run while the operator for the next cell is already running.
        if bpy.app.timers.is_registered(self._timer):
            # In this order: an exception in between must not leave the timer unregistered.
            bpy.app.timers.register(self._timer, persistent=True)
            bpy.app.timers.unregister(self._timer)  # the older of the two
