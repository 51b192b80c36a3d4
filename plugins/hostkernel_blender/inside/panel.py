"""Panels that show the kernel's state. Imported inside Blender only."""

from __future__ import annotations

import bpy

__all__ = ["redraw"]

_SHOW_STATE = {"VIEW_3D", "PROPERTIES", "PREFERENCES"}


def redraw() -> None:
    """Redraw the panels; called on the main thread."""
    if bpy.app.background:
        return
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in _SHOW_STATE:
                area.tag_redraw()
