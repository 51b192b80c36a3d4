"""Showing a result runs nothing of the user's document, and leaves it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from support.kinds import arguments
from support.pictures import Shown
from support.runs import run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(380)

SCENE = """
bpy.ops.wm.read_homefile(use_factory_startup=True)
bpy.app.driver_namespace.clear()
for moment in dir(bpy.app.handlers):
    handlers = getattr(bpy.app.handlers, moment)
    if isinstance(handlers, list):
        handlers[:] = [each for each in handlers if each.__name__ == "hostkernel_handler"]

def everything():
    kinds = [kind.identifier for kind in D.bl_rna.properties if kind.type == "COLLECTION"]
    blocks = {kind: [(b.name_full, b.users, b.use_fake_user) for b in getattr(D, kind)]
              for kind in kinds if kind not in ("screens", "workspaces", "window_managers")}
    view = C.scene.name, C.mode, C.scene.frame_current, [ob.name for ob in C.selected_objects]
    active = C.view_layer.objects.active
    image = C.scene.render.image_settings
    render = C.scene.render.filepath, image.file_format, image.color_mode, image.color_depth
    modes = [ob.mode for ob in D.objects]
    return blocks, view, active and active.name, render, modes, D.is_dirty, D.filepath

def formats(value):
    return sorted(get_ipython().display_formatter.format(value)[0])

PICTURE, NONE = ["image/png", "text/plain"], ["text/plain"]
"""


@pytest.fixture(scope="module", params=["bpy", "background", "window"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of Blender."""
    return str(request.param)


@pytest.fixture
def client(each: Run) -> BlockingKernelClient:
    """A client of a Blender with the factory's scene."""
    client = each.client(120)
    run_cell(client, SCENE)
    run_cell(client, "everything()")  # might have changed something: an undo step, a dirty document
    return client


def enter(client: BlockingKernelClient, mode: str) -> str:
    """Enter a mode, which may bring brushes of Blender's own; what is there then."""
    run_cell(client, f"bpy.ops.object.mode_set(mode={mode!r})")
    run_cell(client, "before = everything()")
    return run_cell(client, "C.object.mode")


HAIR = """
D.objects["Cube"].modifiers.new("hair", "PARTICLE_SYSTEM")
hair = D.objects["Cube"].particle_systems[0].settings
hair.type, hair.count = "HAIR", 10
"""
PAINT = "VERTEX_PAINT", "WEIGHT_PAINT", "TEXTURE_PAINT"


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", *PAINT, "PARTICLE_EDIT"])
def test_an_object_that_is_being_worked_on_is_shown_as_text(
    client: BlockingKernelClient, mode: str
) -> None:
    """Rendering one in the sculpt and paint modes ended Blender 3.4."""
    if mode == "PARTICLE_EDIT":
        run_cell(client, HAIR)
    assert enter(client, mode) == repr(mode)
    shown = Shown(client, "C.object")
    assert (shown.status, shown.pictures()) == ("ok", [])
    assert shown.texts() == ["bpy.data.objects['Cube']"]
    assert Shown(client, "D.materials['Material']").picture()
    assert run_cell(client, "everything() == before") == "True"
    enter(client, "OBJECT")
    assert Shown(client, "C.object").picture()


ARMATURE = "bpy.ops.object.armature_add()"
PENCIL = """
add = getattr(bpy.ops.object, "grease_pencil_add" if bpy.app.version >= (4, 3) else "gpencil_add")
add(type="MONKEY")
"""


@pytest.mark.parametrize("add", [ARMATURE, PENCIL], ids=["armature", "pencil"])
def test_so_are_others_in_each_of_their_modes(client: BlockingKernelClient, add: str) -> None:
    run_cell(client, add)
    modes = "[m.identifier for m in type(C.object).bl_rna.properties['mode'].enum_items]"
    entered = []
    for mode in eval(run_cell(client, modes)):
        cell = f"bpy.ops.object.mode_set(mode={mode!r})"
        if mode != "OBJECT" and Shown(client, cell).status == "ok":
            entered.append(run_cell(client, "C.object.mode"))
            assert run_cell(client, "formats(C.object) == NONE") == "True"
    assert len(entered) >= 2


def test_the_data_of_an_object_in_edit_mode_is_nobodys_picture(
    client: BlockingKernelClient,
) -> None:
    """Another object may share the mesh that is being edited."""
    run_cell(client, "twin = D.objects.new('twin', D.meshes['Cube'])")
    run_cell(client, "C.collection.objects.link(twin)")
    assert run_cell(client, "formats(twin) == PICTURE") == "True"
    enter(client, "EDIT")
    assert run_cell(client, "twin.mode, formats(twin) == NONE") == "('OBJECT', True)"


EVALUATED = """
D.objects["Cube"].evaluated_get(C.evaluated_depsgraph_get())
C.evaluated_depsgraph_get().objects["Cube"]
next(i.object for i in C.evaluated_depsgraph_get().object_instances if i.object.type == "MESH")
D.materials["Material"].evaluated_get(C.evaluated_depsgraph_get())
"""


@pytest.mark.parametrize("cell", EVALUATED.strip().splitlines())
def test_evaluated_data_is_shown_as_text(client: BlockingKernelClient, cell: str) -> None:
    shown = Shown(client, cell)
    assert (shown.status, shown.pictures()) == ("ok", [])
    assert [message["msg_type"] for message in shown.messages if "data" in message["content"]] == [
        "execute_result"
    ]


WATCH = """
seen = []
for moment in dir(bpy.app.handlers):
    handlers = getattr(bpy.app.handlers, moment)
    if isinstance(handlers, list):
        handlers.append(lambda *_, moment=moment: seen.append(moment))
owner = object()
key = (bpy.types.ImageFormatSettings, "file_format")
bpy.msgbus.subscribe_rna(key=key, owner=owner, args=(), notify=lambda: seen.append("message"))
"""
LOOKS = ("D.objects['Cube']", "D.materials['Material']", "D.images['Render Result']")


def test_no_handler_is_called(client: BlockingKernelClient, kind: str) -> None:
    run_cell(client, WATCH)
    run_cell(client, "seen.clear()")
    for look in LOOKS:
        assert Shown(client, look).status == "ok"
    if kind != "window":  # Which draws its own picture, as ever.
        assert Shown(client, "%viewport 32x24").picture()
    assert run_cell(client, "seen") == "[]"


def test_nothing_is_changed(client: BlockingKernelClient, kind: str) -> None:
    run_cell(client, "before = everything()")
    for look in (*LOOKS, "%viewport 32x24"):
        assert Shown(client, look).status == "ok"
        assert run_cell(client, "everything() == before") == "True"


DRIVER = """
calls = []

def boom():
    calls.append(1)
    raise ValueError

bpy.app.driver_namespace["boom"] = boom
D.objects["Cube"].driver_add("location", 0).driver.expression = "boom()"
D.materials["Material"].driver_add("diffuse_color", 0).driver.expression = "boom()"
D.objects["Cube"].modifiers.new("subdivision", "SUBSURF").levels = 2
C.view_layer.update()
"""


def test_no_driver_is_run(client: BlockingKernelClient) -> None:
    run_cell(client, DRIVER)
    cell = "calls.clear(); looks = formats(D.objects['Cube']), formats(D.materials['Material'])"
    run_cell(client, f"{cell}; called = len(calls)")
    assert run_cell(client, "called, looks == (PICTURE, PICTURE)") == "(0, True)"


ELSEWHERE = """
import os
file = os.path.abspath("library.blend")
D.libraries.write(file, {D.objects["Cube"]})
with D.libraries.load(file, link=True) as (_, wanted):
    wanted.objects = ["Cube"]
    wanted.materials = ["Material"]
linked, material = wanted.objects[0], wanted.materials[0]
override = linked.override_create()
orphan = D.objects.new("orphan", D.meshes["Cube"])
apart = D.collections.new("apart")
C.scene.collection.children.link(apart)
apart.objects.link(D.objects.new("excluded", D.meshes["Cube"]))
C.view_layer.layer_collection.children["apart"].exclude = True
before = everything()
shown = [formats(each) for each in (linked, material, orphan, apart.objects[0])]
shown == [PICTURE] * 4, everything() == before
"""


def test_an_object_need_not_be_in_the_scene_nor_in_the_file(client: BlockingKernelClient) -> None:
    assert run_cell(client, ELSEWHERE) == "(True, True)"


OVERRIDE = """
child = D.objects.new("child", D.meshes["Cube"])
child.parent = override
before = everything()
formats(override) == formats(child) == NONE, everything() == before
"""


def test_an_override_is_shown_as_text(client: BlockingKernelClient) -> None:
    """To write one to a file changes a count in bpy 5.0.1: see _uses_override."""
    run_cell(client, ELSEWHERE)
    assert run_cell(client, OVERRIDE) == "(True, True)"


THREAD = """
import threading
found = []
thread = threading.Thread(target=lambda: found.append(formats(D.objects["Cube"])))
thread.start()
thread.join()
found == [NONE]
"""


def test_another_thread_gets_text(client: BlockingKernelClient) -> None:
    assert run_cell(client, THREAD) == "True"


def painter(each: Run) -> psutil.Process:
    """The child that makes the pictures."""
    children = psutil.Process(each.host_pid()).children()
    [found] = [child for child in children if "studio.py" in " ".join(child.cmdline())]
    return found


def test_interrupting_a_picture_interrupts_the_cell(
    client: BlockingKernelClient, each: Run
) -> None:
    assert Shown(client, "D.objects['Cube']").picture()
    child = painter(each)
    child.suspend()
    request = client.execute("print('it begins'); D.objects['Cube']")
    wait_for(lambda: any((each.folder / "tmp").glob("hostkernel-*/*.source")), "an order")
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    reply = client.get_shell_msg(timeout=60)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert not child.is_running()
    assert Shown(client, "D.objects['Cube']").picture()


def test_a_child_that_dies_costs_the_picture_only(client: BlockingKernelClient, each: Run) -> None:
    assert Shown(client, "D.objects['Cube']").picture()
    child = painter(each)
    child.suspend()
    request = client.execute("D.objects['Cube']")
    wait_for(lambda: any((each.folder / "tmp").glob("hostkernel-*/*.source")), "an order")
    child.kill()
    reply = client.get_shell_msg(timeout=60)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (request, "ok")
    assert Shown(client, "D.objects['Cube']").picture()


RESULT = """
scene = C.scene
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.8, 0.02, 0.02, 1)
D.objects.remove(D.objects["Cube"])
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 64, 48
scene.render.resolution_percentage = 100
bpy.ops.render.render()
"""


def test_a_render_result_is_shown_whatever_the_format(client: BlockingKernelClient) -> None:
    run_cell(client, RESULT)
    for name in ("PNG", "JPEG", "OPEN_EXR"):
        run_cell(client, f"scene.render.image_settings.file_format = {name!r}")
        run_cell(client, "before = everything()")
        picture = Shown(client, "D.images['Render Result']").picture()
        assert picture.size == (64, 48)
        red, green, blue = picture.at(0.5, 0.5)
        assert red > green + 60
        assert red > blue + 60
        assert run_cell(client, "everything() == before") == "True"


def test_the_child_ends_with_the_kernel(
    kind: str, start_run: Callable[..., Run], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    env = {"DISPLAY": request.getfixturevalue("display")} if kind == "window" else {}
    run = start_run(*arguments(kind, tmp_path), **env)
    assert Shown(run.client(120), "D.objects['Cube']").picture()
    child = painter(run)
    assert run.interrupt() == 0
    wait_for(lambda: not child.is_running(), "the end of the child")
    wait_for(lambda: not [*(run.folder / "tmp").glob("hostkernel-*")], "the end of its folder")
