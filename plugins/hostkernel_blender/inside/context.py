"""The place where cells run: an operator in a 3D view, as in Blender's own console. Inside only.

A Blender timer has neither an area nor a region in its context. The handler of a modal operator
has the true context. So each slice gets a modal operator: it adds its handler in the area of the
user's choice, a timer event that is due at once calls the handler, the slice runs, and the
operator ends. This takes 0.2 ms.

Rejected: an override around a slice. An operator under an override crashes Blender on Python
3.11 as soon as another thread runs Python.

Between slices no operator runs: while one does, Blender saves no backup file (auto-save) and
reloads no scripts.

This module works around three faults of Blender:

- After a handler, Blender goes on to the next handler and then to the areas of the screen, as it
  had noted them before the call. A cell that opens the file browser or changes the screen frees
  areas and the handlers of menus and popups. So the handler of a second operator, the edge,
  follows the slice's handler and consumes the event.
- Leaving a screen frees the regions of its popups, but not their handlers (fixed in Blender
  5.0). A popup that belongs to an area goes with the area. The splash screen does not belong to
  an area, so the first slice closes it.
- Blender frees an operator whose ``invoke`` raises, but not the handler that it has added.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stage", "addresses_of_ours", "is_ours"]

_AT_ONCE = 0.0
# A timer that is due at once keeps Blender from sleeping until its event is handled, which takes
# long while a render has locked the interface.
_WHILE_LOCKED = 0.05
_PATIENCE = 5
_OFTEN = 10  # slices in a row that find their area gone, as when another workspace is shown

_numbers = itertools.count()
_addresses: frozenset[int] = frozenset()


class Stage:
    """The caller of ``run`` in an area of the user's choice, after :meth:`ask`.

    Used on the main thread. A signal handler or another thread may raise an exception at any
    line of this class; the next :meth:`ask` repairs what the exception left undone.

    Args:
        area_type: such as ``"VIEW_3D"``. If no window shows such an area, the context of a
            slice has a window and nothing else.
        run: must not raise.
    """

    def __init__(self, area_type: str, run: Callable[[], None]) -> None:
        self._area_type = area_type
        self._run = run
        number = next(_numbers)
        self._slice = _operator(f"slice_{number}", self._enter, self._perform, self.leave)
        self._edge = _operator(f"slice_edge_{number}", self._enter_edge, self._is_over, _nothing)
        self._place: dict[str, Any] = {}
        self._begun: Any = None
        self._begun_edge: Any = None
        self._timers: list[Any] = []
        self._step = _AT_ONCE
        self._turns = 0
        self._lost = 0
        self._is_first = True

    def open(self) -> None:
        """Register the operators."""
        bpy.utils.register_class(self._edge)
        bpy.utils.register_class(self._slice)

    def close(self) -> None:
        """Unregister the operators; not inside ``run``, after which Blender still needs them."""
        self._silence()
        for operator in (self._slice, self._edge):
            bpy.utils.unregister_class(operator)

    def ask(self) -> None:
        """Request a slice; called in a timer, each turn of Blender's loop until it has run."""
        self._turns += 1
        if not _is_running(self._begun):
            self._begin()
        self._signal(_AT_ONCE if self._turns < _PATIENCE else _WHILE_LOCKED)

    def _begin(self) -> None:
        if self._is_first:
            _close_popups()
            self._is_first = False
        self._silence()
        self._turns = 1
        self._place = self._find_place()
        # Blender calls the handler added last first.
        for operator in (self._edge, self._slice):
            module, _, name = operator.bl_idname.partition(".")
            getattr(getattr(bpy.ops, module), name)("INVOKE_DEFAULT")

    def _find_place(self) -> dict[str, Any]:
        windows = bpy.context.window_manager.windows
        places = [
            {"window": window, "area": area, "region": region}
            for window in windows
            for area in window.screen.areas
            if area.type == self._area_type
            for region in area.regions
            if region.type == "WINDOW"
        ]
        return max(places, key=_size, default={"window": bpy.context.window})

    def _signal(self, step: float) -> None:
        if self._timers and self._step == step:
            return
        self._silence()
        add = bpy.context.window_manager.event_timer_add
        # One call of C, which no exception can split: a timer that is not in the list would keep
        # Blender from sleeping forever.
        self._timers.extend(map(partial(add, window=self._place.get("window")), (step,)))
        self._step = step

    def _silence(self) -> None:
        remove = bpy.context.window_manager.event_timer_remove
        while self._timers:
            any(map(remove, map(self._timers.pop, (-1,))))  # one call, as above

    # What the operators call

    def _enter(self, operator: Any) -> dict[str, Any]:
        self._begun = operator
        return self._place

    def _enter_edge(self, operator: Any) -> dict[str, Any]:
        self._begun_edge = operator
        return {"window": self._place["window"]}

    def _is_over(self, _event: Any) -> bool:
        return not _is_running(self._begun)

    def _perform(self, event: Any) -> bool:
        """Run the slice, or skip it until the next request; return False if it is not due."""
        if event.type != "TIMER":
            return False
        operator = self._begun
        # Without its timer the event has no type any more, so the edge can consume it.
        self.leave()
        self._run_unless_lost(operator)
        return True

    def _run_unless_lost(self, operator: Any) -> None:
        global _addresses
        if self._lost < _OFTEN and bpy.context.area is None and "area" in self._find_place():
            self._lost += 1
            return
        self._lost = 0
        ours = filter(_is_running, (operator, self._begun_edge))
        _addresses = frozenset(each.as_pointer() for each in ours)
        try:
            self._run()
        finally:
            _addresses = frozenset()

    def leave(self) -> None:
        """Forget the operator, which was called or whose file or window is being closed."""
        self._silence()
        self._begun = None
        self._place = {}
        self._turns = 0


def is_ours(operator: Any) -> bool:
    """Whether a running operator belongs to a stage."""
    return bool(operator.bl_idname.startswith("HOSTKERNEL_OT_slice_"))


def addresses_of_ours() -> frozenset[int]:
    """Return the addresses of the operators around the running slice; none outside of a slice."""
    return _addresses


def _size(place: dict[str, Any]) -> int:
    return int(place["region"].width * place["region"].height)


def _nothing() -> None:
    pass


def _is_running(operator: Any) -> bool:
    try:
        return operator is not None and bool(operator.as_pointer())
    except ReferenceError:  # Blender has freed it
        return False


def _close_popups() -> None:
    # Setting the workspace that a window already shows does nothing else.
    for window in bpy.context.window_manager.windows:
        window.workspace = window.workspace


def _operator(
    name: str,
    enter: Callable[[Any], dict[str, Any]],
    act: Callable[[Any], bool],
    leave: Callable[[], None],
) -> Any:
    """Make the class of a modal operator.

    Args:
        name: unique among operators.
        enter: called with the operator; returns the context to call its handler in.
        act: called with each event; returns whether the operator is over.
        leave: called when Blender ends the operator.
    """

    class Step(bpy.types.Operator):  # type: ignore[misc]
        """Run a slice of the kernel."""

        bl_idname = f"hostkernel.{name}"
        bl_label = "Run a slice of the kernel"
        bl_options = {"INTERNAL"}

        def invoke(self, context: Any, _event: Any) -> set[str]:
            # An exception can be raised at the end of each call. Once the handler is added, the
            # exception must not leave: Blender would call the handler of a freed operator.
            added = False
            try:
                # An override is harmless here, where Python calls no operator and keeps the GIL.
                with context.temp_override(**enter(self)):
                    add = context.window_manager.modal_handler_add
                    added = True
                    add(self)
            except BaseException:
                if not added:
                    raise
            return {"RUNNING_MODAL"}

        def modal(self, _context: Any, event: Any) -> set[str]:
            return {"CANCELLED"} if act(event) else {"PASS_THROUGH"}

        def cancel(self, _context: Any) -> None:
            leave()

    return Step
