"""Where cells run: an operator in a 3D view, as Blender's own console has it. Inside only.

A timer of Blender's has neither area nor region, and an override around a slice is no way
out: an operator under an override crashes Blender on Python 3.11 as soon as another thread
runs Python. The handler of a modal operator has the true context. So each slice gets one: the
operator adds its handler with the area of the user's choice, a timer event that is due at once
calls it, the slice runs, and the operator is over. It takes a tenth of a millisecond.

Between slices there is no operator: while one is running Blender saves no backup file
(auto-save) and reloads no scripts.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stage", "address_of_slice", "is_ours"]

_AT_ONCE = 0.0
# A timer that is due at once keeps Blender from sleeping until its event is taken, which lasts
# when a render has locked the interface.
_WHILE_LOCKED = 0.05
_PATIENCE = 5
_OFTEN = 10  # in a row, that a slice finds its area gone, as when another workspace is shown

_numbers = itertools.count()
_address: int | None = None


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
        self._timer: Any = None
        self._window: Any = None
        self._turns = 0
        self._lost = 0

    def open(self) -> None:
        """Register the operator."""
        bpy.utils.register_class(self._operator)

    def close(self) -> None:
        """Take it back. Outside of ``run``: Blender still needs the operator behind it."""
        self._silence()
        bpy.utils.unregister_class(self._operator)

    def ask(self) -> None:
        """Want a slice; called in a timer, once each turn of Blender's loop until it has come."""
        self._turns += 1
        if self._timer is None:
            module, _, name = self._operator.bl_idname.partition(".")
            getattr(getattr(bpy.ops, module), name)("INVOKE_DEFAULT")
        elif self._turns == _PATIENCE:
            self._signal(_WHILE_LOCKED)

    def _signal(self, step: float) -> None:
        self._silence()
        self._timer = bpy.context.window_manager.event_timer_add(step, window=self._window)

    def _silence(self) -> None:
        if self._timer is not None:
            bpy.context.window_manager.event_timer_remove(self._timer)
        self._timer = None

    # What the operator calls

    def enter(self, operator: Any, context: Any) -> None:
        """Put the operator's handler where the slice shall run."""
        place = self._place() or {"window": context.window}
        # An override is harmless here, where Python calls no operator and keeps its lock.
        with context.temp_override(**place):
            context.window_manager.modal_handler_add(operator)
        self._window = place["window"]
        self._signal(_AT_ONCE)

    def _place(self) -> dict[str, Any] | None:
        places = [
            {"window": window, "area": area, "region": region}
            for window in bpy.context.window_manager.windows
            for area in window.screen.areas
            for region in area.regions
            if (area.type, region.type) == (self._area_type, "WINDOW")
        ]
        return max(places, key=_size, default=None)

    def perform(self, operator: Any) -> None:
        """The handler is called: run the slice, or leave it to be asked for again."""
        global _address
        self.leave()
        if self._lost < _OFTEN and bpy.context.area is None and self._place() is not None:
            self._lost += 1
            return
        self._lost = 0
        _address = operator.as_pointer()
        try:
            self._run()
        finally:
            _address = None

    def leave(self) -> None:
        """The handler goes: it has been called, or its file or its window is being closed."""
        self._silence()
        self._window = None
        self._turns = 0


def is_ours(operator: Any) -> bool:
    """Whether a running operator is a stage's."""
    return bool(operator.bl_idname.startswith("HOSTKERNEL_OT_slice_"))


def address_of_slice() -> int | None:
    """Where Blender keeps the operator in which a slice runs now, None outside of one."""
    return _address


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

        def invoke(self, context: Any, _event: Any) -> set[str]:
            stage.enter(self, context)
            return {"RUNNING_MODAL"}

        def modal(self, _context: Any, event: Any) -> set[str]:
            if event.type != "TIMER":
                return {"PASS_THROUGH"}
            stage.perform(self)
            return {"CANCELLED", "PASS_THROUGH"}

        def cancel(self, _context: Any) -> None:
            stage.leave()

    return Slice
