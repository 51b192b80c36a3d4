"""Where cells run: an operator in a 3D view, as Blender's own console has it. Inside only.

A timer of Blender's has neither area nor region, and an override around a slice is no way
out: an operator under an override crashes Blender on Python 3.11 as soon as another thread
runs Python. The handler of a modal operator has the true context. So each slice gets one: the
operator adds its handler with the area of the user's choice, a timer event that is due at once
calls it, the slice runs, and the operator is over. It takes a fifth of a millisecond.

Between slices there is no operator: while one is running Blender saves no backup file
(auto-save) and reloads no scripts.

Three faults of Blender are kept out of the user's way here:

- Blender goes on from a handler to the next one it had noted before, and then to the areas of
  the screen it had noted. A cell that opens the file browser or changes the screen frees the
  handlers of menus and popups, and areas. So a second operator's handler, the edge, follows the
  slice's, and takes the event away.
- A screen that is left frees the regions of the popups on it, not their handlers (fixed in
  Blender 5.0). A popup that belongs to an area goes with the area; the splash screen does not,
  so the first slice closes it.
- An operator whose ``invoke`` raises is freed, the handler it has added is not.
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
# A timer that is due at once keeps Blender from sleeping until its event is taken, which lasts
# when a render has locked the interface.
_WHILE_LOCKED = 0.05
_PATIENCE = 5
_OFTEN = 10  # in a row, that a slice finds its area gone, as when another workspace is shown

_numbers = itertools.count()
_addresses: frozenset[int] = frozenset()


class Stage:
    """Has ``run`` called in an area of the user's choice, once for each :meth:`ask`.

    Used on the main thread. An exception may be raised at any line of it, by a signal handler
    or another thread; the next :meth:`ask` makes good what was left undone.

    Args:
        area_type: such as ``"VIEW_3D"``. Where no window shows such an area, a slice has a
            window and nothing else.
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
        """Take them back. Outside of ``run``: Blender still needs the operators behind it."""
        self._silence()
        for operator in (self._slice, self._edge):
            bpy.utils.unregister_class(operator)

    def ask(self) -> None:
        """Want a slice; called in a timer, once each turn of Blender's loop until it has come."""
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
        # The later handler stands before the earlier.
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
        # One call of C, which no exception can cut in two: a timer that nobody knows of would
        # keep Blender from sleeping for good.
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
        """Run the slice, or leave it to be asked for again; false if it is not the time."""
        if event.type != "TIMER":
            return False
        operator = self._begun
        # Without its timer the event is none any more, which the edge can take away.
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
        """The handler goes: it has been called, or its file or its window is being closed."""
        self._silence()
        self._begun = None
        self._place = {}
        self._turns = 0


def is_ours(operator: Any) -> bool:
    """Whether a running operator is a stage's."""
    return bool(operator.bl_idname.startswith("HOSTKERNEL_OT_slice_"))


def addresses_of_ours() -> frozenset[int]:
    """Where Blender keeps the operators around the slice that runs now; empty outside of one."""
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
    # That is all it does to a window that shows the workspace already.
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
        name: unlike any other's.
        enter: called with the operator; where its handler shall be called.
        act: called with each event; whether the operator is over.
        leave: called when Blender ends the operator.
    """

    class Step(bpy.types.Operator):  # type: ignore[misc]
        """Run a slice of the kernel."""

        bl_idname = f"hostkernel.{name}"
        bl_label = "Run a slice of the kernel"
        bl_options = {"INTERNAL"}

        def invoke(self, context: Any, _event: Any) -> set[str]:
            # An exception can come with the end of each call. Once the handler is there it must
            # not leave: Blender would call the handler of an operator that it has freed.
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
