"""Cells as undo steps, and references that an undo or a file load has killed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.kinds import cheap_window
from support.live import finish
from support.runs import BUSY, SECONDS, need, need_module, run_cell, wait_for
from support.windows import press

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(120)

MODES = ("bpy", "background", "window")
SMALL = cheap_window(640, 480)

# The history can be read only as what Blender prints in C.
STEPS = """
import ctypes, os, re, tempfile

def steps():
    with tempfile.TemporaryFile() as file:
        saved = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            C.window_manager.print_undo_steps()
            ctypes.CDLL(None).fflush(None)
        finally:
            os.dup2(saved, 1)
            os.close(saved)
        file.seek(0)
        return re.findall(r"name='([^']*)'", file.read().decode())

FILE = os.path.abspath("scene.blend")
bpy.ops.wm.read_homefile(use_factory_startup=True)
bpy.ops.wm.save_as_mainfile(filepath=FILE)
"""


@pytest.fixture(scope="module", params=MODES)
def blender(start_run: Callable[..., Run], request: pytest.FixtureRequest) -> Run:
    """One Blender of each kind."""
    mode = request.param
    if mode == "bpy":
        need_module("bpy")
    else:
        need(shutil.which("blender"), "Blender on PATH")
    env = {"DISPLAY": request.getfixturevalue("display")} if mode == "window" else {}
    settings = {
        "executable": "bpy" if mode == "bpy" else shutil.which("blender"),
        "background": "true" if mode == "background" else "false",
        "factory_startup": "true",
        "args": SMALL if mode == "window" else "[]",
    }
    options = [f"--set=hosts.blender.{key}={value}" for key, value in settings.items()]
    return start_run("--host", "blender", *options, **env)


@pytest.fixture
def client(blender: Run) -> BlockingKernelClient:
    """A client of a Blender with the factory's scene and no history."""
    client = blender.client()
    run_cell(client, STEPS)
    return client


def number(client: BlockingKernelClient, code: str) -> int:
    """Run a cell that must succeed; its number."""
    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=lambda _: None)
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
    return int(reply["content"]["execution_count"])


def ask(client: BlockingKernelClient, expression: str) -> str:
    """What an expression is now, asked in no cell of its own."""
    reply = client.execute_interactive(
        "", user_expressions={"asked": expression}, timeout=SECONDS, output_hook=lambda _: None
    )
    asked = reply["content"]["user_expressions"]["asked"]
    assert asked["status"] == "ok", asked
    return str(asked["data"]["text/plain"])


def steps(client: BlockingKernelClient) -> list[str]:
    names = eval(ask(client, "steps()"))
    return [name for name in names if name.startswith(("Cell", "Widget"))]


CHANGES = {
    "an operator": "bpy.ops.mesh.primitive_cube_add()",
    "an assignment": "D.objects['Cube'].location.x = 3",
    "an orphan": "D.meshes.new('orphan')",
    "a text": "D.texts.new('text')",
    "a removal": "D.objects.remove(D.objects['Light'])",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cell_that_changed_something_is_a_step(client: BlockingKernelClient, change: str) -> None:
    first = number(client, CHANGES[change])
    assert steps(client) == [f"Cell [{first}]"]


READING = """
names = [ob.name for ob in D.objects if ob.type == "MESH"]
counts = {}
for name in sorted(names):
    counts[name] = len(D.objects[name].data.vertices)
print(f"{counts}", *D.objects["Cube"].keys())
"""


def test_a_cell_that_changed_nothing_is_no_step(client: BlockingKernelClient) -> None:
    for cell in ("1 + 1", "D.objects['Cube'].location.x", READING, "C.view_layer.update()"):
        number(client, cell)
    assert steps(client) == []


GEOMETRY = """
tree = D.node_groups.new("Tree", "GeometryNodeTree")
if hasattr(tree, "interface"):
    socket = tree.interface.new_socket("w", socket_type="NodeSocketInt")
else:
    socket = tree.inputs.new("NodeSocketInt", "w")
modifier = D.objects["Cube"].modifiers.new("Geometry", "NODES")
modifier.node_group = tree
key = socket.identifier
modifier[key] = 0
"""

# What Blender reports to nobody: how it is set to a value, and read. Each begins with 0.
UNREPORTED = {
    "a custom property": ("", "D.objects['Cube']['w'] = {}", "D.objects['Cube'].get('w', 0)"),
    "one of the scene": ("", "C.scene['w'] = {}", "C.scene.get('w', 0)"),
    "a registered property": (
        "bpy.types.Scene.w = bpy.props.IntProperty()",
        "C.scene.w = {}",
        "C.scene.w",
    ),
    "a text's lines": (
        "D.texts.new('text').write('0')",
        "D.texts['text'].clear(); D.texts['text'].write('{}')",
        "int(D.texts['text'].as_string())",
    ),
    "a modifier's input": (
        GEOMETRY,
        "D.objects['Cube'].modifiers['Geometry'][key] = {}",
        "D.objects['Cube'].modifiers['Geometry'][key]",
    ),
    "a marker": (
        "C.scene.timeline_markers.new('w', frame=0)",
        "C.scene.timeline_markers['w'].frame = {}",
        "C.scene.timeline_markers['w'].frame",
    ),
    "a marker added and removed": (
        "",
        "C.scene.timeline_markers.new('w') if {} else C.scene.timeline_markers.clear()",
        "len(C.scene.timeline_markers)",
    ),
    "a text written and cleared": (
        "D.texts.new('text')",
        "D.texts['text'].write('w') if {} else D.texts['text'].clear()",
        "len(D.texts['text'].as_string())",
    ),
    "the frame": ("C.scene.frame_set(0)", "C.scene.frame_set({})", "C.scene.frame_current"),
    "in a function": (
        "def change(value): D.objects['Cube']['w'] = value",
        "change({})",
        "D.objects['Cube'].get('w', 0)",
    ),
}


@pytest.mark.parametrize("change", UNREPORTED)
def test_a_change_that_blender_does_not_report_is_a_step(
    client: BlockingKernelClient, change: str
) -> None:
    """Undo takes it back and nothing else, and redo brings it back."""
    prepare, write, read = UNREPORTED[change]
    number(client, f"{prepare}\nD.objects['Cube'].location.x = 3")
    number(client, write.format(1))
    before = steps(client)
    last = number(client, write.format(0))
    assert steps(client) == [*before, f"Cell [{last}]"]
    for step, value in (("undo", 1), ("undo", 0), ("redo", 1), ("redo", 0)):
        number(client, f"bpy.ops.ed.{step}()")
        assert ask(client, f"({read}, D.objects['Cube'].location.x)") == f"({value}, 3.0)"


def test_pixels_are_a_step(client: BlockingKernelClient) -> None:
    """Blender keeps them in no step of its history, but what follows them is behind a step."""
    first = number(client, "image = D.images.new('w', 1, 1)")
    last = number(client, "image.pixels = (1, 0, 0, 1)")
    assert steps(client) == [f"Cell [{first}]", f"Cell [{last}]"]


def test_unreported_changes_around_an_undo(client: BlockingKernelClient) -> None:
    number(client, "D.objects['Cube']['w'] = 1")
    number(client, "D.objects['Cube']['w'] = 2")
    before = steps(client)
    number(client, "D.objects['Cube']['w'] = 3; bpy.ops.ed.undo()")
    assert steps(client) == before
    last = number(client, "bpy.ops.ed.undo(); D.objects['Cube']['v'] = 4")
    assert steps(client) == [f"Cell [{last}]"]


SLIDER = """
import ipywidgets
slider = ipywidgets.IntSlider()
def move(change):
    D.objects["Cube"].location.x = change.new
    D.objects["Cube"]["w"] = change.new
slider.observe(move, "value")
"""


def drag(client: BlockingKernelClient, comm: str, *values: int) -> None:
    """What a client sends while the user moves the slider."""
    for value in values:
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        content = {"comm_id": comm, "data": data}
        client.shell_channel.send(client.session.msg("comm_msg", content))


def test_what_a_widget_changed_is_a_step(client: BlockingKernelClient) -> None:
    number(client, SLIDER)
    comm = eval(ask(client, "slider.comm.comm_id"))
    before = steps(client)
    read = "(D.objects['Cube'].location.x, D.objects['Cube'].get('w'))"
    drag(client, comm, 1, 2, 3)
    assert ask(client, read) == "(3.0, 3)"
    assert steps(client) == [*before, "Widget"]
    last = number(client, "D.objects['Cube'].location.y = 1")
    drag(client, comm, 4)
    assert ask(client, read) == "(4.0, 4)"
    assert steps(client) == [*before, "Widget", f"Cell [{last}]", "Widget"]
    for step, found in (("undo", 3), ("undo", 3), ("undo", 0), ("redo", 3), ("redo", 3)):
        number(client, f"bpy.ops.ed.{step}()")
        assert ask(client, read) == (f"({found}.0, {found})" if found else "(0.0, None)")


def test_a_widget_that_is_moved_beside_a_cell_is_in_its_step(client: BlockingKernelClient) -> None:
    number(client, SLIDER)
    before = steps(client)
    comm = eval(ask(client, "slider.comm.comm_id"))
    request = client.execute("import asyncio\nwhile not slider.value: await asyncio.sleep(0.01)")
    drag(client, comm, 5)
    reply = finish(client, request)
    assert reply.status == "ok"
    assert len(steps(client)) == len(before) + 1
    assert steps(client)[-1].startswith("Cell")
    number(client, "bpy.ops.ed.undo()")
    assert ask(client, "D.objects['Cube'].location.x") == "0.0"


def test_looking_is_no_step(client: BlockingKernelClient) -> None:
    for cell in ("%viewport 64x48", "D.objects['Cube']", "D.materials['Material']"):
        number(client, cell)
    assert steps(client) == []


def test_a_cell_that_changed_something_and_failed_is_a_step(client: BlockingKernelClient) -> None:
    code = "D.objects['Cube'].location.x = 3; 1 / 0"
    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=lambda _: None)
    assert steps(client) == [f"Cell [{reply['content']['execution_count']}]"]


COUNT = "print(len(D.objects), D.objects['Cube'].location.x)"


def test_undo_and_redo_go_cell_by_cell(client: BlockingKernelClient) -> None:
    first = number(client, "for _ in range(3): bpy.ops.mesh.primitive_cube_add()")
    second = number(client, "D.objects['Cube'].location.x = 3; D.meshes.new('orphan')")
    assert run_cell(client, COUNT) == "6 3.0\n"
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, COUNT) == "6 0.0\n"
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, COUNT) == "3 0.0\n"
    number(client, "bpy.ops.ed.redo()")
    number(client, "bpy.ops.ed.redo()")
    assert run_cell(client, COUNT) == "6 3.0\n"
    assert steps(client) == [f"Cell [{first}]", f"Cell [{second}]"]


EDIT = """
C.view_layer.objects.active = D.objects['Cube']
bpy.ops.object.mode_set(mode='EDIT')
"""
SUBDIVIDE = "bpy.ops.mesh.select_all(action='SELECT'); bpy.ops.mesh.subdivide()"
LOOK_ANYWHERE = """
import bmesh
edited = C.mode == "EDIT_MESH"
print(C.mode, len(bmesh.from_edit_mesh(C.object.data).verts) if edited else len(D.objects))
"""
LOOK = "import bmesh; print(C.mode, len(bmesh.from_edit_mesh(C.object.data).verts))"


def test_cells_in_edit_mode_are_steps(client: BlockingKernelClient) -> None:
    number(client, EDIT)
    number(client, SUBDIVIDE)
    assert run_cell(client, LOOK) == "EDIT_MESH 26\n"
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, LOOK) == "EDIT_MESH 8\n"
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, "print(C.mode)") == "OBJECT\n"


@pytest.mark.parametrize("blender", ["window"], indirect=True)
def test_ctrl_z_in_the_window_takes_back_a_cell(client: BlockingKernelClient, blender: Run) -> None:
    number(client, "for _ in range(3): bpy.ops.mesh.primitive_cube_add()")
    number(client, EDIT)
    number(client, SUBDIVIDE)
    for before, after in (
        ("EDIT_MESH 26", "EDIT_MESH 8"),
        ("EDIT_MESH 8", "OBJECT 6"),
        ("OBJECT 6", "OBJECT 3"),
    ):
        assert run_cell(client, LOOK_ANYWHERE) == f"{before}\n"
        press(blender, "ctrl+z")
        wait_for(lambda after=after: run_cell(client, LOOK_ANYWHERE) == f"{after}\n", after)


def test_a_step_that_takes_long_is_mentioned_once(client: BlockingKernelClient) -> None:
    """A scene that carries half a gigabyte: Blender copies it for each step that changes it."""
    made = said(client, "m = D.meshes.new('heavy'); m['data'] = b'1' * 500_000_000")
    again = said(client, "m['data'] = b'2' * 500_000_000")
    assert "The undo step of this cell took" in made
    assert 'hosts.blender.undo = "reported"' in made
    assert again == ""
    number(client, "D.meshes.remove(m)")


def said(client: BlockingKernelClient, code: str) -> str:
    """Run a cell that must succeed; what is on its stderr."""
    texts: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        if message["content"].get("name") == "stderr" and BUSY not in message["content"]["text"]:
            texts.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=collect)
    assert reply["content"]["status"] == "ok"
    return "".join(texts)


GRAB = """
class Grab(bpy.types.Operator):
    bl_idname = "test.grab"
    bl_label = "Grab"
    done = over = False

    def execute(self, context):
        manager = context.window_manager
        manager.modal_handler_add(self)
        self.timer = manager.event_timer_add(0.05, window=context.window)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if not self.done:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        type(self).over = True
        return {"FINISHED", "PASS_THROUGH"}

bpy.utils.register_class(Grab)
bpy.ops.test.grab()
"""
RUNNING = "[op.bl_idname for w in C.window_manager.windows for op in w.modal_operators]"
IS_MODAL = "__import__('hostkernel_blender.inside.modal').inside.modal.is_modal()"


@pytest.mark.parametrize("blender", ["bpy"], indirect=True)
def test_blender_lists_the_modal_operator(client: BlockingKernelClient) -> None:
    number(client, GRAB)
    assert run_cell(client, RUNNING) == "['TEST_OT_grab']"
    number(client, "bpy.ops.wm.open_mainfile(filepath=FILE)")
    assert run_cell(client, RUNNING) == "[]"


@pytest.mark.parametrize("blender", ["bpy", "window"], indirect=True)
def test_no_step_while_a_modal_operator_of_the_users_runs(client: BlockingKernelClient) -> None:
    """One Blender lists such operators, the other is too old to."""
    assert ask(client, IS_MODAL) == "False"
    number(client, GRAB)
    assert ask(client, IS_MODAL) == "True"
    number(client, "D.objects['Cube'].location.x = 3")
    number(client, "D.meshes.new('meanwhile')")
    assert steps(client) == []
    number(client, "bpy.ops.wm.open_mainfile(filepath=FILE)")
    assert ask(client, IS_MODAL) == "False"
    last = number(client, "D.objects['Cube'].location.y = 3")
    assert steps(client) == [f"Cell [{last}]"]


@pytest.mark.parametrize("blender", ["window"], indirect=True)
def test_the_step_behind_a_modal_operator_covers_what_was_changed(
    client: BlockingKernelClient,
) -> None:
    number(client, GRAB)
    number(client, "D.objects['Cube'].location.x = 3")
    number(client, "Grab.done = True")
    wait_for(lambda: run_cell(client, "Grab.over") == "True", "the operator's end")
    last = number(client, "D.objects['Cube'].location.y = 3")
    assert steps(client) == [f"Cell [{last}]"]
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, "D.objects['Cube'].location[:2]") == "(0.0, 0.0)"


def test_a_file_load_begins_a_new_history(client: BlockingKernelClient) -> None:
    number(client, "D.meshes.new('before'); bpy.ops.wm.open_mainfile(filepath=FILE)")
    assert steps(client) == []
    both = "bpy.ops.wm.open_mainfile(filepath=FILE); D.meshes.new('after')"
    last = number(client, both)
    assert steps(client) == [f"Cell [{last}]"]
    assert run_cell(client, "'before' in D.meshes, 'after' in D.meshes") == "(False, True)"


def error(client: BlockingKernelClient, code: str) -> str:
    """Run a cell that must fail; what the user reads."""
    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=lambda _: None)
    assert reply["content"]["status"] == "error", code
    return "\n".join(reply["content"]["traceback"])


def test_a_dead_name_says_what_happened(client: BlockingKernelClient) -> None:
    number(client, "cube = D.objects['Cube']; cube")
    load = number(client, "bpy.ops.wm.open_mainfile(filepath=FILE)")
    said = error(client, "cube.name")
    assert "NameError" in said
    assert f"cube was dropped, because scene.blend was loaded in cell [{load}]" in said
    assert "anew from D" in said
    assert run_cell(client, "cube = D.objects['Cube']; cube.name") == "'Cube'"


def test_a_dead_object_in_a_list_says_what_happened(client: BlockingKernelClient) -> None:
    number(client, "cubes = [D.objects['Cube']]; cubes[0].name")
    load = number(client, "bpy.ops.wm.open_mainfile(filepath=FILE)")
    said = error(client, "cubes[0].name")
    assert "StructRNA of type Object has been removed" in said
    assert f"dead because scene.blend was loaded in cell [{load}]" in said
    assert run_cell(client, "cubes = [D.objects['Cube']]; cubes[0].name") == "'Cube'"


def test_after_an_undo_too(client: BlockingKernelClient) -> None:
    number(client, "D.objects['Cube'].location.x = 3")
    number(client, "extra = D.objects.new('extra', None)")
    undo = number(client, "bpy.ops.ed.undo()")
    said = error(client, "extra.name")
    assert f"extra was dropped, because a step was undone in cell [{undo}]" in said


PARTS = """
vertices = D.objects["Cube"].data.vertices
vertex = vertices[0]
pair = [vertex, 1]
objects = D.objects
kept = {"name": "Cube"}
cube = D.objects["Cube"]
"""


@pytest.mark.parametrize("blow", ["bpy.ops.wm.open_mainfile(filepath=FILE)", "bpy.ops.ed.undo()"])
def test_what_would_read_freed_memory_is_dropped(client: BlockingKernelClient, blow: str) -> None:
    number(client, "D.objects['Cube'].location.x = 3")
    number(client, PARTS)
    out = number(client, "D.objects['Cube'].data.vertices")
    when = number(client, blow)
    for name in ("vertices", "vertex", "pair", "objects"):
        said = error(client, f"{name}")
        assert "NameError" in said
        assert f"{name} was dropped" in said
        assert f"in cell [{when}]" in said
    assert run_cell(client, f"(kept, {out} in Out)") == "({'name': 'Cube'}, False)"
    assert run_cell(client, "(C is bpy.context, D is bpy.data, C.scene.name)") == (
        "(True, True, 'Scene')"
    )
    assert run_cell(client, "D.objects['Cube'].data.vertices[0].index") == "0"


def test_other_errors_say_what_they_always_say(client: BlockingKernelClient) -> None:
    number(client, "bpy.ops.wm.open_mainfile(filepath=FILE)")
    said = error(client, "nowhere")
    assert "name 'nowhere' is not defined" in said
    assert "dropped" not in said
