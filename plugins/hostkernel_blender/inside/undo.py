"""One step of Blender's undo history for each cell that changed something. Inside only."""

from __future__ import annotations

import sys
from functools import cache, partial
from operator import attrgetter
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import bpy
from IPython.core.getipython import get_ipython

from .handlers import Handlers
from .modal import is_modal
from .writes import Writes, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sized

__all__ = ["UndoSteps"]

_SLOW = 0.2
_GESTURE = 1.0  # seconds from one message of a widget that is being dragged to the next
_WIDGET = "Widget"


class UndoSteps:
    """The undo steps of cells and of widgets' callbacks; used around each, on the main thread.

    Args:
        judged: whether to push a step also for a cell or callback that may have changed data
            whose changes Blender does not report.
    """

    def __init__(self, *, judged: bool) -> None:
        self._judged = judged
        self._updates = Handlers()
        self._resets = Handlers()
        self._is_listening = self._is_watching = False
        self._reported = False
        self._was_reset = False
        self._counts: list[int] = []
        self._said_slow = False
        self._has_history = not bpy.app.background
        self._in_cell = False
        self._widget: object = None
        self._widget_moved = 0.0
        self._deferred: Callable[[], None] | None = None

    def begin(self) -> None:
        """Begin a cell: changes from now on belong to it."""
        self._in_cell = True
        self._watch()

    def begin_comm(self) -> None:
        """Begin to handle a comm message: changes by its callbacks are one step."""
        if not self._in_cell:  # else part of the step of the cell, which awaits something
            self._watch()

    def _watch(self) -> None:
        self._updates.close()
        self._push_deferred()
        if not self._has_history:
            self._start_history()
        self._listen()
        self._is_watching = True
        self._reset()
        self._was_reset = False
        # Not registered between cells: Blender calls it for each frame that plays.
        self._updates.add("depsgraph_update_post", self._note)

    def _listen(self) -> None:
        if self._is_listening:
            return
        self._is_listening = True
        # A file load, an undo and a redo are not changes that a step could undo.
        for moment in ("load_post", "undo_post", "redo_post"):
            self._resets.add(moment, self._reset)
        if bpy.app.background:
            self._resets.add("load_post", self._loaded)

    def _loaded(self) -> None:
        if self._is_watching:
            self._start_history()

    def _start_history(self) -> None:
        # Without a window Blender itself does not, and the first cell could not be undone.
        self._has_history = True
        self._push("Original", _push_step)

    def _reset(self) -> None:
        """Discard the changes until now: they are not the cell's."""
        if not self._is_watching:
            return
        _update()
        self._reported = False
        self._was_reset = True
        self._counts = _counts()

    def _note(self) -> None:
        self._reported = True

    def end(self, number: int | None, cell: str) -> None:
        """End a cell: push one step if it changed something.

        Args:
            number: the cell's number, None if it has none.
            cell: the cell's source.
        """
        self._in_cell = False
        if self._has_changed(lambda: _judge_cell(cell)):
            self._widget = None
            self._push_or_defer("Cell" if number is None else f"Cell [{number}]", _push_step)

    def end_comm(self, content: Mapping[str, Any]) -> None:
        """End a comm message: push a step if it changed something, one for each slider drag.

        Args:
            content: the message's content.
        """
        if self._in_cell:
            self._reported |= self._judged and _judge_comm(content).anywhere
        elif self._has_changed(lambda: _judge_comm(content)):
            widget, before = self._widget, self._widget_moved
            self._widget, self._widget_moved = content.get("comm_id"), monotonic()
            goes_on = widget == self._widget and self._widget_moved - before < _GESTURE
            self._push_or_defer(_WIDGET, _replace_step if goes_on else _push_step)

    def _has_changed(self, judge: Callable[[], Writes]) -> bool:
        _update()
        changed = self._reported or self._counts != _counts()
        self._is_watching = False
        self._updates.close()
        if not changed and self._judged:
            found = judge()
            changed = found.after_reset if self._was_reset else found.anywhere
        return changed and not is_modal()

    def _push_or_defer(self, name: str, push: Callable[[str], None]) -> None:
        if bpy.app.background or bpy.context.window is not None:
            self._push(name, push)
        else:
            # Just after a file load no window is in the context, and the operator needs one.
            self._deferred = partial(self._push, name, push)
            bpy.app.timers.register(self._push_deferred, persistent=True)

    def _push_deferred(self) -> None:
        # By the timer, or before the next cell if that comes first: the cell's changes must not
        # get into this step.
        if self._deferred is not None and bpy.context.window is not None:
            step, self._deferred = self._deferred, None
            step()

    def _push(self, name: str, push: Callable[[str], None]) -> None:
        """Push a step; report the first one that takes long."""
        began = perf_counter()
        push(name)
        seconds = perf_counter() - began
        if seconds > _SLOW and not self._said_slow:
            self._said_slow = True
            _tell(seconds)

    def close(self) -> None:
        """Remove the handlers and unregister the operator."""
        self._deferred = None
        self._updates.close()
        self._resets.close()
        self._is_listening = self._is_watching = False
        if _ReplaceStep.is_registered:
            bpy.utils.unregister_class(_ReplaceStep)


class _ReplaceStep(bpy.types.Operator):  # type: ignore[misc]
    """Push a step, in place of the last one if that is a widget's, too."""

    bl_idname = "hostkernel.widget_step"
    bl_label = _WIDGET
    bl_options = {"INTERNAL", "UNDO_GROUPED"}
    bl_undo_group = _WIDGET

    def execute(self, _context: Any) -> set[str]:
        return {"FINISHED"}


def _replace_step(_name: str) -> None:
    if not _ReplaceStep.is_registered:
        bpy.utils.register_class(_ReplaceStep)
    bpy.ops.hostkernel.widget_step("EXEC_DEFAULT", True)


def _push_step(name: str) -> None:
    bpy.ops.ed.undo_push(message=name)


def _judge_cell(cell: str) -> Writes:
    shell: Any = get_ipython()
    return writes(cell, shell.user_ns, shell.transform_cell)


def _judge_comm(content: Mapping[str, Any]) -> Writes:
    # The protocol of ipywidgets; other messages concern what a client shows.
    return Writes(anywhere=content.get("data", {}).get("method") in {"update", "custom"})


def _update() -> None:
    # Blender reports direct assignments only when it next updates the scene.
    if bpy.context.view_layer is not None:
        bpy.context.view_layer.update()


def _counts() -> list[int]:
    return [*map(len, _collections()(bpy.data))]


@cache
def _collections() -> attrgetter[tuple[Sized, ...]]:
    kinds = bpy.data.bl_rna.properties
    return attrgetter(*(kind.identifier for kind in kinds if kind.type == "COLLECTION"))


def _tell(seconds: float) -> None:
    advice = 'hosts.blender.undo = "reported": fewer steps, false: none.'
    print(f"The undo step of this cell took {seconds:.1f} s. {advice}", file=sys.stderr)  # noqa: T201
