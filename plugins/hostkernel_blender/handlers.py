"""Functions that Blender calls at loads, undo steps and changes. Imported inside Blender only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Handlers"]


class Handlers:
    """Handlers that outlive a file load, until :meth:`close`. Used on the main thread."""

    def __init__(self) -> None:
        self._added: list[tuple[Any, Any]] = []

    def add(self, moment: str, function: Callable[[], object]) -> None:
        """Have ``function`` called at a ``moment`` of ``bpy.app.handlers``."""

        # Blender marks plain functions only.
        @bpy.app.handlers.persistent  # type: ignore[untyped-decorator]
        def handler(*_: object) -> None:
            function()

        handlers = getattr(bpy.app.handlers, moment)
        handlers.append(handler)
        self._added.append((handlers, handler))

    def close(self) -> None:
        """Take all of them back."""
        for handlers, handler in self._added:
            if handler in handlers:
                handlers.remove(handler)
        self._added = []
