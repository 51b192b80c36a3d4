"""Whether a modal operator of the user's is running. Imported inside Blender only."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import bpy

from .context import addresses_of_ours, is_ours
from .dna import offset_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_modal"]


def is_modal() -> bool:
    """Whether a modal operator of the user's is running; called on the main thread, in a slice."""
    windows = list(bpy.context.window_manager.windows)
    if "modal_operators" in bpy.types.Window.bl_rna.properties:
        return not all(is_ours(op) for window in windows for op in window.modal_operators)
    return _has_other_handlers(windows, addresses_of_ours())


class _Handler(ctypes.Structure):
    """The beginning of Blender's ``wmEventHandler_Op`` (windowmanager/wm_event_system.h)."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("prev", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("flag", ctypes.c_int),
        ("poll", ctypes.c_void_p),
        ("operator", ctypes.c_void_p),
    )


def _has_other_handlers(windows: list[Any], ours: frozenset[int]) -> bool:
    """Do the same for Blenders without an API for it (before 4.2): read the windows' handlers.

    The offset of a window's list comes from Blender (:mod:`.dna`). The entries are trusted only
    if the kernel's own operators are among them. In a slice that has just loaded a file they are
    not, since a load ends all operators.
    """
    offset = offset_of("wmWindow", "modalhandlers")
    if offset is None or not ours:
        return False
    handlers = [each for window in windows for each in _list(window.as_pointer() + offset)]
    kinds = {each.type for each in handlers if each.operator in ours}
    return any(each.type in kinds and each.operator not in ours for each in handlers)


def _list(address: int) -> Iterator[_Handler]:
    place = ctypes.c_void_p.from_address(address).value
    while place is not None:
        handler = _Handler.from_address(place)
        yield handler
        place = handler.next
