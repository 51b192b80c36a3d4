"""The Blender adapter in real Blenders: the bpy module, the background, the window."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest
from support.kinds import cheap_window
from support.runs import need, need_module, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.runs import Run

pytestmark = pytest.mark.slow(80)

MODES = ("bpy", "background", "window")

RENDER = """
import os

bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 2))
scene = C.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.render.resolution_x = 64
scene.render.resolution_y = 48
scene.render.resolution_percentage = 100
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = os.path.join(os.environ["HOME"], "picture.png")
bpy.ops.render.render(write_still=True)
os.path.getsize(scene.render.filepath)
"""


@pytest.fixture(scope="module")
def start(start_run: Callable[..., Run], request: pytest.FixtureRequest) -> Callable[..., Run]:
    """Start a Blender of the given mode, with more arguments for ``run`` behind it."""

    def start(mode: str, *args: str) -> Run:
        if mode == "bpy":
            need_module("bpy")
        else:
            need(shutil.which("blender"), "Blender on PATH")
        env = {"DISPLAY": request.getfixturevalue("display")} if mode == "window" else {}
        settings = {
            "executable": "bpy" if mode == "bpy" else shutil.which("blender"),
            "background": "true" if mode == "background" else "false",
            "factory_startup": "true",
            "args": cheap_window(640, 480) if mode == "window" else "[]",
        }
        options = [f"--set=hosts.blender.{key}={value}" for key, value in settings.items()]
        return start_run("--host", "blender", *options, *args, **env)

    return start


@pytest.fixture(scope="module", params=MODES)
def blender(start: Callable[..., Run], request: pytest.FixtureRequest) -> Run:
    """One Blender of each kind for all tests that leave it running."""
    return start(request.param)


@pytest.fixture
def window(start: Callable[..., Run]) -> Run:
    """A Blender window of the test's own, to be ended."""
    return start("window")


def test_a_stock_client_renders_a_picture(blender: Run) -> None:
    size = int(run_cell(blender.client(), RENDER))
    picture = (blender.folder / "home" / "picture.png").read_bytes()
    assert len(picture) == size
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (64, 48)


def test_cells_find_the_names_of_blenders_console(blender: Run) -> None:
    cell = "(C is bpy.context, D is bpy.data, C.scene.name, sorted(D.objects.keys())[:2])"
    assert run_cell(blender.client(), cell) == "(True, True, 'Scene', ['Camera', 'Cube'])"


def test_cells_run_on_the_main_thread(blender: Run) -> None:
    cell = "import threading; threading.current_thread() is threading.main_thread()"
    assert run_cell(blender.client(), cell) == "True"


def test_the_interpreter_is_a_python(blender: Run) -> None:
    client = blender.client()
    cell = "import hostkernel; print(*hostkernel.current().host.interpreter())"
    [python] = run_cell(client, cell).split()
    asked = subprocess.check_output(
        [python, "-c", "import sys; print(sys.version_info[:2])"], text=True
    )
    assert run_cell(client, "import sys; print(sys.version_info[:2])") == asked


def test_the_kernel_survives_file_loads(blender: Run) -> None:
    client = blender.client()
    file = blender.folder / "scene.blend"
    assert (
        run_cell(client, f"bpy.ops.wm.save_as_mainfile(filepath={str(file)!r})") == "{'FINISHED'}"
    )
    load = f"bpy.ops.wm.open_mainfile(filepath={str(file)!r})"
    new = "bpy.ops.wm.read_homefile(use_factory_startup=True)"
    defaults = "bpy.ops.wm.read_factory_settings()"
    for cell in (load, new, defaults, load):
        assert run_cell(client, cell) == "{'FINISHED'}"
        assert run_cell(client, "'Cube' in D.objects and C.scene.name") == "'Scene'"
    assert run_cell(client, "D.filepath") == repr(str(file))


LOOP = """
import threading
from hostkernel_blender import BlenderHost, BlenderSettings

loop = BlenderHost(BlenderSettings()).loop()
calls = []

def tick():
    calls.append(threading.current_thread())
    if len(calls) == 1:
        raise ValueError("a tick that breaks its promise")

def wake():
    threading.Thread(target=loop.wake).start()

loop.start(tick)
"""


@pytest.mark.parametrize("blender", ["window"], indirect=True)
def test_a_loop_outlives_failures_and_file_loads(blender: Run) -> None:
    client = blender.client()
    run_cell(client, LOOP)

    def woken(times: int) -> None:
        run_cell(client, "wake()")
        wait_for(lambda: run_cell(client, "len(calls)") == str(times), f"call {times} of tick")

    woken(1)
    woken(2)
    run_cell(client, "bpy.ops.wm.read_homefile()")
    woken(3)
    run_cell(client, "bpy.app.timers.unregister(loop._timer)")
    run_cell(client, "bpy.ops.wm.read_homefile()")
    woken(4)
    assert run_cell(client, "{call is threading.main_thread() for call in calls}") == "{True}"
    assert run_cell(client, "loop.stop(); bpy.app.timers.is_registered(loop._timer)") == "False"


REST = """
from hostkernel_blender import BlenderHost, BlenderSettings

loop = BlenderHost(BlenderSettings()).loop()
loop.start(lambda: None)
woken, quiet = loop._turn(), None
loop._last_wake -= 11.0
quiet = loop._turn()
loop.stop()
woken, quiet
"""


@pytest.mark.parametrize("blender", ["window"], indirect=True)
def test_the_loop_rests_when_nobody_calls(blender: Run) -> None:
    """Seconds until its timer is due again: each turn of the window's, then every fourth."""
    assert run_cell(blender.client(), REST) == "(0.0, 0.02)"


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_blender_and_its_kernel(start: Callable[..., Run], mode: str) -> None:
    run = start(mode)
    run_cell(run.client(), "D.version")
    blender = psutil.Process(run.host_pid())
    assert run.interrupt() == 0
    wait_for(lambda: not blender.is_running(), "the end of Blender")
    assert run.files() == []


def test_quit_blender_in_a_cell_ends_the_run(window: Run) -> None:
    kept = "cube = D.objects['Cube']; bpy.ops.wm.quit_blender()"
    assert run_cell(window.client(), kept) == "{'FINISHED'}"
    assert window.end() == 0
    assert window.files() == []


def test_quit_by_its_user_ends_the_run(window: Run) -> None:
    need(shutil.which("xdotool"), "xdotool")
    run_cell(window.client(), "D.version")
    # Esc closes the splash, and makes Blender 3.4 end with status 1: that is no failure.
    keys = ["xdotool", "mousemove", "200", "500", "key", "Escape", "key", "ctrl+q"]

    def quits() -> bool:
        subprocess.run(keys, env=window.env, check=True)
        return not window.files()

    wait_for(quits, "Blender to take File > Quit")
    assert window.end() == 0
    assert window.files() == []


STOP_AND_GO = """
def look():
    import os, hostkernel
    if os.path.exists("again"):
        hostkernel.start()
        return None
    return 0.05

bpy.app.timers.register(look)
D.objects["Cube"].name = "Mine"
"""


def test_stop_leaves_the_window_open(window: Run) -> None:
    run_cell(window.client(), STOP_AND_GO)
    blender = psutil.Process(window.host_pid())
    [before] = window.files()
    window.hostkernel("stop")
    wait_for(lambda: not window.files(), "the end of the kernel")
    assert blender.is_running()
    (window.folder / "again").touch()
    wait_for(window.files, "a second kernel in the same Blender")
    assert run_cell(window.client(), "'Mine' in D.objects") == "True"
    assert [before] != window.files()
    run_cell(window.client(), "bpy.ops.wm.quit_blender()")
    assert window.end() == 0


def test_blender_gets_its_command_line_in_the_right_order(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    need(shutil.which("blender"), "Blender on PATH")
    file = tmp_path / "saved.blend"
    save = f"import bpy; bpy.ops.wm.save_as_mainfile(filepath={str(file)!r})"
    command = ["blender", "--background", "--factory-startup", "--python-expr", save]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run = start(
        "background",
        f"--set=hosts.blender.blend_file={file}",
        '--set=hosts.blender.args=["--frame-start", "7", "--python-exit-code", "9"]',
        "--",
        "--frame-end",
        "9",
        "--",
        "--seed",
    )
    client = run.client()
    cell = "import sys; print(D.filepath, C.scene.frame_start, C.scene.frame_end, *sys.argv[-2:])"
    assert run_cell(client, cell).split() == [str(file), "7", "9", "--", "--seed"]
    [kernel] = json.loads(run.hostkernel("list", "--json"))
    assert kernel["title"] == "saved.blend"
