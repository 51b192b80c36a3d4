"""Each cell that changed something is one step of Blender's undo history. Inside only."""

from __future__ import annotations

import sys
from functools import cache
from time import perf_counter

import bpy

from .handlers import Handlers
from .modal import is_modal

__all__ = ["UndoSteps"]

_SLOW = 0.2


class UndoSteps:
    """Pushes the steps; used on the main thread, around each cell."""

    def __init__(self) -> None:
        self._handlers = Handlers()
        self._fired = False
        self._counts: dict[str, int] = {}
        self._said_slow = False
        self._has_history = not bpy.app.background

    def begin(self) -> None:
        """A cell begins: what comes from here on is its change."""
        self.close()
        if not self._has_history:
            self._start_history()
        self.forget()
        self._handlers.add("depsgraph_update_post", self._note)
        # A file that was loaded, and a step that was taken back, are nothing to take back.
        for moment in ("load_post", "undo_post", "redo_post"):
            self._handlers.add(moment, self.forget)
        if bpy.app.background:
            self._handlers.add("load_post", self._start_history)

    def _start_history(self) -> None:
        # Without a window Blender itself does not, and the first cell could not be taken back.
        self._has_history = True
        self._push("Original")

    def forget(self) -> None:
        """What changed until now is not the cell's."""
        _update()
        self._fired = False
        self._counts = _counts()

    def _note(self) -> None:
        self._fired = True

    def end(self, number: int | None) -> None:
        """A cell has ended: one step if it changed something.

        Args:
            number: of the cell, None if it has none.
        """
        _update()
        changed = self._fired or self._counts != _counts()
        self.close()
        if changed and not is_modal():
            self._push_or_defer("Cell" if number is None else f"Cell [{number}]")

    def _push_or_defer(self, name: str) -> None:
        if bpy.app.background or bpy.context.window is not None:
            self._push(name)
        else:
            # Just after a file load no window is in the context, and the operator wants one.
            bpy.app.timers.register(lambda: self._push(name), persistent=True)

    def _push(self, name: str) -> None:
        """Push a step; one that takes long is mentioned once."""
        began = perf_counter()
        bpy.ops.ed.undo_push(message=name)
        seconds = perf_counter() - began
        if seconds > _SLOW and not self._said_slow:
            self._said_slow = True
            _tell(seconds)

    def close(self) -> None:
        """Take the handlers back."""
        self._handlers.close()


def _update() -> None:
    # Blender tells of direct assignments only when it next brings the scene up to date.
    if bpy.context.view_layer is not None:
        bpy.context.view_layer.update()


def _counts() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in _kinds()}


@cache
def _kinds() -> list[str]:
    kinds = bpy.data.bl_rna.properties
    return [kind.identifier for kind in kinds if kind.type == "COLLECTION"]


def _tell(seconds: float) -> None:
    text = f"The undo step of this cell took {seconds:.1f} s. hosts.blender.undo = false: no steps."
    print(text, file=sys.stderr)  # noqa: T201
