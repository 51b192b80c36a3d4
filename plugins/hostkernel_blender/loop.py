"""Blender's main loop. Imported inside Blender only."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

import bpy

from hostkernel.host import HostLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from hostkernel.host import Tick

__all__ = ["BlenderLoop"]

_QUIET_AFTER = 10.0
_QUIET_TURN = 0.02


class BlenderLoop(HostLoop):
    """A timer of Blender's window that looks at a flag each turn.

    Nothing of bpy may be called from another thread, so :meth:`wake` only sets the flag.
    While a client is at work the timer is due every turn of Blender's loop (about 5 ms, cut
    short by the core's signal); after ten quiet seconds every 20 ms.
    """

    sleeps: ClassVar[bool] = True

    def __init__(self) -> None:
        self._tick: Tick | None = None
        self._woken = False
        self._last_wake = 0.0
        # Blender knows a timer by its identity, and a method is a new object each time.
        self._timer = self._turn
        self._after_load = _persistent(self._register)

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once; register the timer."""
        self._tick = tick
        self._last_wake = monotonic()
        self._register()
        bpy.app.handlers.load_post.append(self._after_load)

    def wake(self) -> None:
        """Called inside, from any thread: have ``tick`` called in Blender's next turn."""
        self._woken = True

    def stop(self) -> None:
        """Called inside, on the main thread, once; Blender is as it was before."""
        self._tick = None
        if self._after_load in bpy.app.handlers.load_post:
            bpy.app.handlers.load_post.remove(self._after_load)
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)

    def _register(self) -> None:
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, persistent=True)

    def _turn(self) -> float | None:
        try:
            if self._woken:
                self._woken = False
                self._last_wake = monotonic()
                self._call()
        except BaseException:
            # Blender drops a timer that raises, and with it the kernel.
            logging.getLogger(__name__).exception("the timer in Blender's loop failed")
        if self._tick is None:
            return None
        return 0.0 if monotonic() - self._last_wake < _QUIET_AFTER else _QUIET_TURN

    def _call(self) -> None:
        if self._tick is not None:
            self._tick()


def _persistent(function: Callable[[], None]) -> Callable[..., None]:
    """A handler that outlives a file load; Blender marks plain functions only."""

    @bpy.app.handlers.persistent  # type: ignore[untyped-decorator]
    def handler(*_: object) -> None:
        function()

    marked: Callable[..., None] = handler
    return marked
