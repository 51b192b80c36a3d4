"""Pictures under the cell, in real Blenders: ``%viewport``, ``%render``, and results."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.kinds import cheap_window
from support.pictures import Shown
from support.runs import SECONDS, need, need_module, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(100)

MODES = ("bpy", "background", "window")
SMALL = cheap_window(480, 320)

SCENE = """
scene = C.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 4
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 64, 48
material = D.materials["Material"]
shader = material.node_tree.nodes["Principled BSDF"]
shader.inputs["Base Color"].default_value = (0.8, 0.02, 0.02, 1)
kinds = "objects", "scenes", "meshes", "cameras", "lights", "worlds", "materials"

def everything():
    image = scene.render.image_settings
    names = [sorted(data.name for data in getattr(D, kind)) for kind in kinds]
    return names, C.scene.name, scene.frame_current, image.file_format, scene.render.filepath

scene.render.image_settings.file_format = "JPEG"
before = everything()
"""


everywhere = pytest.mark.parametrize("blender", MODES, indirect=True)


@pytest.fixture(scope="module", params=["bpy"])
def blender(start_run: Callable[..., Run], request: pytest.FixtureRequest) -> Run:
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
    """A client of a Blender whose scene renders quickly, and whose cube is red."""
    client = blender.client()
    run_cell(client, "bpy.ops.wm.read_homefile(use_factory_startup=True)")
    run_cell(client, SCENE)
    return client


def is_red(colour: tuple[int, ...]) -> bool:
    red, green, blue = colour
    return red > green + 60 and red > blue + 60


def is_grey(colour: tuple[int, ...]) -> bool:
    return max(colour) - min(colour) < 30


@everywhere
def test_viewport_shows_what_is_there(client: BlockingKernelClient) -> None:
    with_cube = Shown(client, "%viewport 160x120").picture()
    assert with_cube.size == (160, 120)
    assert len(with_cube.colours()) > 5
    run_cell(client, "D.objects.remove(D.objects['Cube'])")
    without = Shown(client, "%viewport 160x120").picture()
    assert without.at(0.5, 0.5) != with_cube.at(0.5, 0.5)


@everywhere
def test_viewport_has_a_size_of_its_own(client: BlockingKernelClient) -> None:
    picture = Shown(client, "%viewport").picture()
    cell = "len([a for w in C.window_manager.windows for a in w.screen.areas]), bpy.app.background"
    if "False" in run_cell(client, cell):
        assert picture.width > 200
    else:
        assert picture.size == (32, 24)


def test_viewport_needs_no_camera(client: BlockingKernelClient) -> None:
    run_cell(client, "C.scene.camera = None")
    assert len(Shown(client, "%viewport 80x60").picture().colours()) > 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("%viewport 10by10", "'10by10' is not a size"),
        ("%viewport 0x10", "out of range"),
        ("%render --frame", "expected one argument"),
        ("%render --frame 3 --animation", "not allowed with"),
        ("%render everything", "unrecognized arguments"),
    ],
)
def test_what_cannot_be_understood_is_said(
    client: BlockingKernelClient, line: str, complaint: str
) -> None:
    shown = Shown(client, line)
    assert shown.status == "error"
    assert complaint in "".join(shown.texts())


@everywhere
def test_objects_and_materials_as_results_are_pictures(client: BlockingKernelClient) -> None:
    cube = Shown(client, "D.objects['Cube']")
    assert is_red(cube.picture().at(0.5, 0.5))
    assert is_grey(cube.picture().at(0.02, 0.02))
    assert cube.texts() == ["bpy.data.objects['Cube']"]
    ball = Shown(client, "material").picture()
    assert is_red(ball.at(0.5, 0.5))
    assert is_grey(ball.at(0.02, 0.02))


def test_images_as_results_are_pictures(client: BlockingKernelClient) -> None:
    paint = "pixels = [0.5, 0, 0, 1] * 8 + [0, 0.5, 0, 1] * 8"
    show = "i.pixels.foreach_set(pixels); i"
    run_cell(client, paint)
    picture = Shown(client, f"i = D.images.new('own', 4, 4); {show}").picture()
    assert picture.size == (4, 4)
    assert (picture.at(0, 1), picture.at(0, 0)) == ((128, 0, 0), (0, 128, 0))
    linear = Shown(client, f"i = D.images.new('own', 4, 4, float_buffer=True); {show}").picture()
    assert (linear.at(0, 1), linear.at(0, 0)) == ((188, 0, 0), (0, 188, 0))
    assert Shown(client, "D.images.new('large', 3000, 100)").picture().size == (1000, 34)


def test_everything_else_keeps_blenders_repr(client: BlockingKernelClient) -> None:
    for cell, text in {
        "D.objects['Camera']": "bpy.data.objects['Camera']",
        "D.meshes['Cube']": "bpy.data.meshes['Cube']",
        "C.scene": "bpy.data.scenes['Scene']",
    }.items():
        shown = Shown(client, cell)
        assert shown.texts() == [text]
        assert shown.pictures() == []


def test_looking_changes_nothing(client: BlockingKernelClient) -> None:
    cells = ("%viewport 64x48", "D.objects['Cube']", "material", "%render", "%render --here")
    for cell in cells:
        assert Shown(client, cell).status == "ok"
    assert run_cell(client, "everything() == before") == "True"


@everywhere
def test_render_shows_how_far_it_is_and_then_the_picture(client: BlockingKernelClient) -> None:
    run_cell(client, "scene.cycles.samples = 200; scene.render.resolution_x = 400")
    shown = Shown(client, "%render")
    assert shown.picture().size == (400, 48)
    assert is_red(shown.picture().at(0.5, 0.5))
    first, *updates = [message for message in shown.messages if "transient" in message["content"]]
    assert first["msg_type"] == "display_data"
    assert {update["msg_type"] for update in updates} == {"update_display_data"}
    displays = {message["content"]["transient"]["display_id"] for message in (first, *updates)}
    assert len(displays) == 1
    assert any("sample" in text for text in shown.texts())
    assert "<progress" in first["content"]["data"]["text/html"]
    assert "image/png" in updates[-1]["content"]["data"]


WATCH = """
seen = []
for moment in ("depsgraph_update_post", "render_pre", "render_post"):
    getattr(bpy.app.handlers, moment).append(lambda *_, moment=moment: seen.append(moment))
"""


@everywhere
def test_the_users_handlers_do_not_notice(client: BlockingKernelClient) -> None:
    run_cell(client, WATCH)
    run_cell(client, "seen.clear()")
    for cell in ("D.objects['Cube']", "material", "%viewport 64x48"):
        assert Shown(client, cell).picture()
    assert run_cell(client, "seen") == "[]"
    assert Shown(client, "D.objects['Cube'].location.x += 1; D.objects['Cube']").picture()
    assert run_cell(client, "'depsgraph_update_post' in seen") == "True"
    assert run_cell(client, "'render_pre' in seen") == "False"


def test_render_of_another_frame(client: BlockingKernelClient) -> None:
    move = "cube.location.x = 50; cube.keyframe_insert('location', frame=9)"
    run_cell(client, "cube = D.objects['Cube']; cube.keyframe_insert('location', frame=1)")
    run_cell(client, move)
    assert is_red(Shown(client, "%render --frame 1").picture().at(0.5, 0.5))
    assert is_grey(Shown(client, "%render --frame 9").picture().at(0.5, 0.5))
    assert is_grey(Shown(client, "%render --frame 9 --here").picture().at(0.5, 0.5))
    assert run_cell(client, "C.scene.frame_current") == "1"


@pytest.mark.parametrize("where", ["", "--here"])
def test_an_animation_is_written_where_the_scene_says(
    client: BlockingKernelClient, blender: Run, where: str
) -> None:
    folder = blender.folder / f"animation{where}"
    run_cell(client, f"scene.frame_end = 2; scene.render.filepath = {str(folder / 'f_')!r}")
    shown = Shown(client, f"%render --animation {where}")
    assert shown.status == "ok"
    assert shown.pictures()[-1].size == (64, 48)
    assert sorted(file.name for file in folder.iterdir()) == ["f_0001.jpg", "f_0002.jpg"]


def test_a_failed_render_says_why(client: BlockingKernelClient) -> None:
    run_cell(client, "C.scene.camera = None")
    shown = Shown(client, "%render")
    assert shown.status == "error"
    assert "no camera" in "".join(shown.texts())


def children(blender: Run) -> list[psutil.Process]:
    found = psutil.Process(blender.host_pid()).children(recursive=True)
    return [child for child in found if "studio.py" not in " ".join(child.cmdline())]


def displayed(client: BlockingKernelClient, word: str) -> Callable[[], bool]:
    def look() -> bool:
        while client.iopub_channel.msg_ready():
            content: dict[str, Any] = client.get_iopub_msg()["content"]
            if word in content.get("data", {}).get("text/plain", ""):
                return True
        return False

    return look


@everywhere
def test_interrupting_ends_the_child_and_nothing_else(
    client: BlockingKernelClient, blender: Run
) -> None:
    run_cell(client, "import subprocess; other = subprocess.Popen(['sleep', '600'])")
    run_cell(client, "scene.cycles.use_adaptive_sampling = False; scene.cycles.samples = 1000000")
    request = client.execute("%render")
    wait_for(displayed(client, "sample"), "a sign that it renders")
    assert len(children(blender)) == 2
    message = client.session.msg("interrupt_request", {})
    client.control_channel.send(message)
    reply = client.get_shell_msg(timeout=SECONDS)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    wait_for(lambda: len(children(blender)) == 1, "the end of the child")
    assert run_cell(client, "other.poll() is None and everything()[1]") == "'Scene'"
    run_cell(client, "other.kill(); other.wait()")


@pytest.mark.parametrize("blender", ["window"], indirect=True)
def test_the_window_turns_while_a_child_renders(client: BlockingKernelClient) -> None:
    watch = "turns = []; bpy.app.timers.register(lambda: turns.append(1) or 0.01)"
    run_cell(client, f"{watch}; scene.cycles.samples = 400")
    assert Shown(client, "turns.clear()\n%render\nassert len(turns) > 2").status == "ok"
