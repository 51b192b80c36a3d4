"""Where cells run: an operator in a 3D view, as Blender's own console has it. Inside only.

A timer of Blender's has neither area nor region, and an override around a slice is no way
out: an operator under an override crashes Blender on Python 3.11 as soon as another thread
runs Python. The handler of a modal operator has the true context. So for each slice

1. a timer event goes to every window, and a key map item of ours answers it. It does not get
   there while a modal operator of the user's takes all events: the slice waits for its end.
2. The operator that the item runs adds its own handler, with the area of the user's choice,
   and a second timer event calls that: the slice runs, and the operator is over.

Both take a tenth of a millisecond, within one turn of Blender's loop. Between slices there is
no operator: Blender saves no backup file (auto-save) while one is running.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stage"]

_AT_ONCE = 0.0
# A timer that is due at once keeps Blender from sleeping until its event is taken.
_WHILE_BLOCKED = 0.05
_PATIENCE = 3

_numbers = itertools.count()


class Stage:
    """Has ``run`` called in an area of the user's choice, once for each :meth:`ask`.

    Used on the main thread.

    Args:
        area_type: such as ``"VIEW_3D"``. Where no window shows such an area, a slice has a
            window and nothing else.
        run: must not raise.
    """

    def __init__(self, area_type: str, run: Callable[[], None]) -> None:
        self._area_type = area_type
        self._run = run
        self._operator = _operator(self)
        self._timers: list[Any] = []
        self._windows: list[Any] = []
        self._turns = 0
        self.asked = False
        self.entered = False

    def open(self) -> None:
        """Register the operator and its key."""
        bpy.utils.register_class(self._operator)
        keymaps = bpy.context.window_manager.keyconfigs.addon.keymaps
        self._keymap = keymaps.new(name="Window", space_type="EMPTY")
        self._key = self._keymap.keymap_items.new(self._operator.bl_idname, "TIMER", "ANY")

    def close(self) -> None:
        """Take both back. Outside of ``run``: Blender still needs the operator behind it."""
        self._forget()
        self._keymap.keymap_items.remove(self._key)
        bpy.utils.unregister_class(self._operator)

    def ask(self) -> None:
        """Want a slice; called once each turn of Blender's loop until it has come."""
        self._turns += 1
        if not self.asked:
            self._begin(_AT_ONCE)
        elif self._turns == _PATIENCE or self._turns % 100 == 0:
            # Again from the first step: windows may have gone, and handlers with them.
            self._begin(_WHILE_BLOCKED)

    def _begin(self, step: float) -> None:
        if self.entered:
            self._signal(step, self._entered_window)
            return
        self.asked = True
        self._windows = list(bpy.context.window_manager.windows)
        self._signal(step, *self._windows)

    def _signal(self, step: float, *windows: Any) -> None:
        self._silence()
        manager = bpy.context.window_manager
        self._timers = [manager.event_timer_add(step, window=window) for window in windows]

    def _silence(self) -> None:
        for timer in self._timers:
            bpy.context.window_manager.event_timer_remove(timer)
        self._timers = []

    def _forget(self) -> None:
        self._silence()
        self.asked = self.entered = False
        self._turns = 0

    # What the operator calls

    def reached(self, operator: Any, context: Any) -> set[str]:
        """The event has come through in one window: no operator of the user's holds it."""
        if context.window in self._windows:
            self._windows.remove(context.window)
        if self._windows:
            return {"CANCELLED", "PASS_THROUGH"}
        self._enter(operator, context)
        return {"RUNNING_MODAL"}

    def _enter(self, operator: Any, context: Any) -> None:
        place = self._place() or {"window": context.window}
        # An override is harmless here, where Python calls no operator and keeps its lock.
        with context.temp_override(**place):
            context.window_manager.modal_handler_add(operator)
        self.entered, self._entered_window = True, place["window"]
        self._signal(_AT_ONCE, self._entered_window)

    def _place(self) -> dict[str, Any] | None:
        places = [
            {"window": window, "area": area, "region": region}
            for window in bpy.context.window_manager.windows
            for area in window.screen.areas
            for region in area.regions
            if (area.type, region.type) == (self._area_type, "WINDOW")
        ]
        return max(places, key=_size, default=None)

    def perform(self) -> set[str]:
        """The handler is called: run the slice."""
        self._forget()
        self._run()
        return {"CANCELLED", "PASS_THROUGH"}

    def lost(self) -> None:
        """Blender has dropped the handler: a file was loaded, or the window was closed."""
        self._forget()


def _size(place: dict[str, Any]) -> int:
    return int(place["region"].width * place["region"].height)


def _operator(stage: Stage) -> Any:
    """The operator class of one stage.

    Nothing is kept in the instance: it dies with the file that a slice may load.
    """

    class Slice(bpy.types.Operator):  # type: ignore[misc]
        """Run a slice of the kernel."""

        bl_idname = f"hostkernel.slice_{next(_numbers)}"
        bl_label = "Run a slice of the kernel"
        bl_options = {"INTERNAL"}

        @classmethod
        def poll(cls, _context: Any) -> bool:
            return stage.asked and not stage.entered

        def invoke(self, context: Any, _event: Any) -> set[str]:
            return stage.reached(self, context)

        def modal(self, _context: Any, event: Any) -> set[str]:
            return stage.perform() if event.type == "TIMER" else {"PASS_THROUGH"}

        def cancel(self, _context: Any) -> None:
            stage.lost()

    return Slice
