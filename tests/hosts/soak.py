"""The cells of a soak in Blender, and what each has to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREPARE = """
import os, threading
FILE = os.path.abspath("soak.blend")
bpy.ops.wm.read_homefile(use_factory_startup=True)
made = bpy.ops.wm.save_as_mainfile(filepath=FILE)
# Else each change has the window drawn eight times, for smooth edges.
bpy.context.preferences.system.viewport_aa = "OFF"

def descriptors():
    # IPython's history has its journal open for moments, in a thread of its own.
    names = map(os.path.realpath, os.scandir("/proc/self/fd"))
    return sum(not name.endswith("-journal") for name in names)
"""
MEASURE = "(descriptors(), threading.active_count())"

_LOADS = (
    "bpy.ops.wm.open_mainfile(filepath=FILE)",
    "bpy.ops.wm.read_homefile(use_factory_startup=True)",
    "bpy.ops.wm.open_mainfile(filepath=FILE, load_ui=False)",
)
_DONE = "{'FINISHED'}"
# Every change has the window drawn anew, which takes its time without a graphics card.
_CELLS = {
    4: ("D.objects['Cube'].location.x += 1; D.objects['Cube'].name", "'Cube'"),
    8: ("bpy.ops.mesh.primitive_cube_add()", _DONE),
    12: ("bpy.ops.ed.undo()", _DONE),
    16: ("C.area.type, len(D.objects)", "('VIEW_3D', 3)"),
}


def cells(count: int) -> Iterator[tuple[str, str]]:
    """Source and result of so many cells; one in 50 loads a file, one in 25 is an undo."""
    for number in range(count):
        if number % 50 == 49:
            yield _LOADS[number // 50 % len(_LOADS)], _DONE
        else:
            yield _CELLS.get(number % 25, (f"print({number})", f"{number}\n"))
