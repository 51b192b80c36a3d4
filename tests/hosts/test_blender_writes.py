"""Which cells may have changed what Blender does not report, by their source."""

from __future__ import annotations

import json
import math
import types
from pathlib import Path

import pytest
from hostkernel_blender.inside.writes import Writes, writes

pytestmark = pytest.mark.slow(10)


class _Object:
    """Stands for what is neither Python's nor a library's, such as Blender's objects."""


def _function(value: object) -> None:
    """Stands for a function of a cell's."""


NAMES = {
    "D": _Object(),
    "bpy": types.ModuleType("bpy"),
    "f": _function,
    "json": json,
    "math": math,
    "names": ["a"],
    "ob": _Object(),
    "path": Path(),
    "pytest": pytest,
    "sin": math.sin,
    "table": {},
    "total": 1,
    "vector": _Object(),
}

READING = """
1 + 1
print("x", file=None)
D.objects["Cube"].location.x
x = ob.location
for each in D.objects: print(each.name, len(each.data.vertices))
[each.name for each in D.objects if each.type == "MESH"]
table["a"] = 1
names.append(2)
total += 1
math.sin(2); sin(2); json.dumps({}); path.exists(); pytest.approx(1)
import os, bpy, bmesh, json.decoder
from pathlib import Path
def g(): ob.x = 1
async def g(value=1): ob.x = 1
class A(bpy.types.Panel): x = 1; draw = property(lambda self: 1)
sorted(D.objects, key=lambda each: each.name)
f"{ob.name}".upper()
D.objects.get("Cube").data.vertices[0].co.copy().normalized()
get_ipython().run_line_magic("viewport", "64x48")
await get_ipython().run_line_magic("render", "")
bpy.context.view_layer.update()
bpy.ops.ed.undo()
bpy.ops.view3d.view_all()
""".strip().splitlines()

WRITING = """
ob["w"] = 1
ob.x = 1
ob.x += 1
a, ob.x = 1, 2
for ob.x in range(3): pass
with open("x") as ob.file: pass
vector += other
del ob["w"]
f()
map(f, names)
sorted(names, key=f)
sorted(names, key=lambda each: each.clear())
setattr(ob, "x", 1)
exec("")
getattr(ob, "clear")()
bpy.ops.mesh.primitive_cube_add()
bpy.data.texts["x"].write("")
D.scenes[0].frame_set(3)
ob.modifiers["Nodes"]["Input_2"] = 1
import module_of_the_users
from . import module_of_the_users
@f\\ndef g(): pass
def g(value=f()): pass
class A: f()
await f()
get_ipython().run_line_magic("run", "x.py")
(lambda: f())()
""".strip().splitlines()


@pytest.mark.parametrize("cell", READING)
def test_a_cell_that_reads(cell: str) -> None:
    assert writes(cell, NAMES) == Writes()


@pytest.mark.parametrize("cell", [cell.replace("\\n", "\n") for cell in WRITING])
def test_a_cell_that_may_write(cell: str) -> None:
    assert writes(cell, NAMES).anywhere


@pytest.mark.parametrize(
    ("cell", "after"),
    [
        ("bpy.ops.ed.undo(); ob['w'] = 1", True),
        ("ob['w'] = 1; bpy.ops.ed.undo()", False),
        ("ob['w'] = 1; bpy.ops.wm.open_mainfile(filepath='x'); ob.name", False),
        ("bpy.ops.wm.read_homefile()\nf()\nbpy.ops.ed.redo()\nf()", True),
        ("f()", False),
    ],
)
def test_what_comes_after_a_reset(cell: str, after: bool) -> None:
    found = writes(cell, NAMES)
    assert (found.anywhere, found.after_reset) == (True, after)


def test_magics_are_looked_at_as_python() -> None:
    def transform(_cell: str) -> str:
        return "get_ipython().run_line_magic('viewport', '')"

    assert writes("%viewport", NAMES, transform) == Writes()


def test_a_cell_that_is_no_python_has_not_run() -> None:
    assert writes("ob.x = (1", NAMES) == Writes()
    assert writes("ob.x = '\0'", NAMES) == Writes()
