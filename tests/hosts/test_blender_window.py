"""Cells in Blender's window: their context, and what happens to the window meanwhile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.kinds import cheap_window
from support.live import finish
from support.runs import BUSY, need, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(100)

SMALL = cheap_window(640, 480)
CONTEXT = "print(C.area.type, C.region.type, C.space_data.type, *bpy.ops.view3d.view_all())"
IN_A_VIEW = "VIEW_3D WINDOW VIEW_3D FINISHED\n"


@pytest.fixture(scope="module")
def start(start_run: Callable[..., Run], display: str) -> Callable[..., Run]:
    """Start a Blender window, with more arguments for ``run`` behind it."""
    need(shutil.which("blender"), "Blender on PATH")

    def start(*args: str) -> Run:
        blender = shutil.which("blender")
        settings = ("factory_startup=true", f"executable={blender}", f"args={SMALL}")
        options = [f"--set=hosts.blender.{setting}" for setting in settings]
        return start_run("--host", "blender", *options, *args, DISPLAY=display)

    return start


@pytest.fixture(scope="module")
def blender(start: Callable[..., Run]) -> Run:
    """The one Blender of all tests that leave it running."""
    return start()


@pytest.fixture
def client(blender: Run) -> BlockingKernelClient:
    """A client whose window shows what it shows at first."""
    client = blender.client()
    run_cell(client, "import os; FILE = os.path.abspath('scene.blend')")
    run_cell(client, "bpy.ops.wm.read_homefile(use_factory_startup=True)")
    return client


def test_operators_find_a_view(client: BlockingKernelClient) -> None:
    assert run_cell(client, CONTEXT) == IN_A_VIEW


LOADS = (
    "bpy.ops.wm.read_homefile()",
    "bpy.ops.wm.save_as_mainfile(filepath=FILE)",
    "bpy.ops.wm.open_mainfile(filepath=FILE, load_ui=False)",
    # Blender remembers it: without this, later loads would not bring the first screen back.
    "bpy.ops.wm.open_mainfile(filepath=FILE, load_ui=True)",
    "bpy.ops.wm.revert_mainfile()",
)


def test_operators_find_a_view_after_file_loads(client: BlockingKernelClient) -> None:
    for load in LOADS:
        run_cell(client, load)
        assert run_cell(client, CONTEXT) == IN_A_VIEW, load


def test_cells_that_are_sent_at_once_find_a_view_each(client: BlockingKernelClient) -> None:
    """As of a notebook that is run from its top."""
    requests = [(load, client.execute(load), client.execute(CONTEXT)) for load in LOADS]
    for load, first, second in requests:
        assert finish(client, first).status == "ok", load
        assert finish(client, second).text == IN_A_VIEW, load


def test_operators_find_a_view_when_theirs_is_gone(client: BlockingKernelClient) -> None:
    run_cell(client, "C.area.type = 'TEXT_EDITOR'")
    assert run_cell(client, "print(C.window is not None, C.area)") == "True None\n"
    run_cell(client, "C.window.workspace = D.workspaces['Modeling']")
    wait_for(lambda: run_cell(client, "print(C.area)") != "None\n", "the other workspace")
    assert run_cell(client, CONTEXT) == IN_A_VIEW


def test_operators_find_a_view_in_any_window(client: BlockingKernelClient) -> None:
    run_cell(client, "bpy.ops.wm.window_new_main()")
    wait_for(lambda: run_cell(client, "len(C.window_manager.windows)") == "2", "the window")
    assert run_cell(client, CONTEXT) == IN_A_VIEW
    run_cell(client, "bpy.ops.wm.window_close()")
    wait_for(lambda: run_cell(client, "len(C.window_manager.windows)") == "1", "its end")
    assert run_cell(client, CONTEXT) == IN_A_VIEW


OTHER_FULL = """
area = next((area for area in C.screen.areas if area.type != "VIEW_3D"), C.screen.areas[0])
with C.temp_override(area=area): bpy.ops.screen.screen_full_area()
"""
REPLACED = {
    "maximized": ["bpy.ops.screen.screen_full_area()"] * 2,
    "without panels": ["bpy.ops.screen.screen_full_area(use_hide_panels=True)"] * 2,
    "area closed": ["bpy.ops.screen.area_close()"],
    "screen deleted": ["bpy.ops.screen.new()", "bpy.ops.screen.delete()"],
    "workspace deleted": ["bpy.ops.workspace.delete()"] * 2,
    "popups closed": [
        "bpy.ops.object.delete('INVOKE_DEFAULT')",
        "bpy.ops.wm.call_menu(name='VIEW3D_MT_object')",
        "bpy.ops.wm.save_as_mainfile('INVOKE_DEFAULT')",
        "bpy.ops.wm.open_mainfile('INVOKE_DEFAULT')",
    ],
    "a dialog behind a popup": [
        "bpy.ops.object.delete('INVOKE_DEFAULT')",
        "bpy.ops.wm.save_as_mainfile('INVOKE_DEFAULT')",
    ],
    "a dialog behind a menu": [
        "bpy.ops.wm.call_menu(name='VIEW3D_MT_object')",
        "bpy.ops.wm.save_as_mainfile('INVOKE_DEFAULT')",
    ],
    "another area maximized": [OTHER_FULL, OTHER_FULL],
    "popup over a screen that goes": [
        "bpy.ops.wm.call_menu(name='VIEW3D_MT_object')",
        "bpy.ops.screen.screen_full_area()",
    ],
}


@pytest.mark.parametrize("change", REPLACED)
def test_a_cell_may_replace_what_it_runs_in(
    blender: Run, client: BlockingKernelClient, change: str
) -> None:
    """Its screen, its area, or popups that were open."""
    pid = blender.host_pid()
    for cell in REPLACED[change]:
        run_cell(client, cell)
    assert run_cell(client, "import os; os.getpid()") == str(pid)


def test_a_cell_may_replace_the_screen_below_the_splash(start: Callable[..., Run]) -> None:
    """Blender shows it at start, and would die of it."""
    client = start().client()
    run_cell(client, "bpy.ops.screen.screen_full_area()")
    run_cell(client, "bpy.ops.screen.screen_full_area()")
    assert run_cell(client, CONTEXT) == IN_A_VIEW


STRAY = """
import ctypes, os, random, signal, threading, time, _thread

main = threading.main_thread().ident

def fail(*_):
    raise ValueError("stray")

signal.signal(signal.SIGALRM, fail)

def by_thread():
    error = ctypes.py_object(ValueError)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), error)

WAYS = {
    "a signal": lambda: os.kill(os.getpid(), signal.SIGINT),
    "a simulated signal": _thread.interrupt_main,
    "a signal handler": lambda: os.kill(os.getpid(), signal.SIGALRM),
    "another thread": by_thread,
}

def raise_often(way):
    time.sleep(0.5)  # the cell is over
    for _ in range(200):
        time.sleep(random.random() / 100)
        WAYS[way]()
    time.sleep(0.1)  # the last one is, too
    open("over", "w").close()
"""
WAYS = ("a signal", "a simulated signal", "a signal handler", "another thread")


@pytest.mark.parametrize("way", WAYS)
def test_no_exception_between_cells_ends_the_kernel(
    client: BlockingKernelClient, blender: Run, way: str
) -> None:
    """200 at random moments: whatever line of ours runs then."""
    run_cell(client, STRAY)
    run_cell(client, f"threading.Thread(target=raise_often, args=[{way!r}]).start()")
    wait_for((blender.folder / "over").exists, "the last exception")
    (blender.folder / "over").unlink()
    for _ in range(3):
        assert run_cell(client, CONTEXT) == IN_A_VIEW


def test_a_window_that_has_had_them_is_restarted_and_ended_as_ever(
    start: Callable[..., Run],
) -> None:
    run = start()
    client = run.client()
    run_cell(client, STRAY)
    for way in WAYS:
        run_cell(client, f"threading.Thread(target=raise_often, args=[{way!r}]).start()")
        wait_for((run.folder / "over").exists, "the last exception")
        (run.folder / "over").unlink()
    run.hostkernel("restart")
    wait_for(lambda: run_cell(client, "'WAYS' in globals()") == "False", "a fresh namespace")
    assert run_cell(client, CONTEXT) == IN_A_VIEW
    assert run.interrupt() == 0, run.output
    assert run.files() == []


RELOAD = """
said = []

def reload():
    said.append(bpy.ops.script.reload())

bpy.app.timers.register(reload)
"""


def test_no_operator_of_ours_runs_between_cells(client: BlockingKernelClient) -> None:
    """While one does Blender refuses to reload its scripts, and saves no backup."""
    requests = client.execute(RELOAD), client.execute("'the next is due at once, too'")
    assert [finish(client, request).status for request in requests] == ["ok", "ok"]
    wait_for(lambda: run_cell(client, "said") != "[]", "the reload")
    assert run_cell(client, "said") == "[{'FINISHED'}]"
    assert run_cell(client, CONTEXT) == IN_A_VIEW


HOLDER = """
import os
turns, over = 0, False

class Holder(bpy.types.Operator):
    bl_idname = "test.holder"
    bl_label = "Takes all events until there is a file"

    def invoke(self, context, event):
        context.window_manager.modal_handler_add(self)
        self.timer = context.window_manager.event_timer_add(0.05, window=context.window)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        global turns, over
        turns += 1
        if not os.path.exists("let go"):
            return {"RUNNING_MODAL"}
        context.window_manager.event_timer_remove(self.timer)
        over = True
        return {"FINISHED"}

bpy.utils.register_class(Holder)
"""
HERE = "bpy.ops.test.holder('INVOKE_DEFAULT')"
THERE = """
bpy.ops.wm.window_new()
with C.temp_override(window=C.window_manager.windows[1]):
    bpy.ops.test.holder('INVOKE_DEFAULT')
"""


@pytest.mark.parametrize("hold", [HERE, THERE], ids=["here", "in another window"])
def test_cells_run_beside_a_modal_operator_of_the_users(
    blender: Run, client: BlockingKernelClient, hold: str
) -> None:
    run_cell(client, HOLDER)
    run_cell(client, hold)
    assert run_cell(client, CONTEXT) == IN_A_VIEW
    wait_for(lambda: run_cell(client, "turns > 0") == "True", "the operator's turn")
    (blender.folder / "let go").touch()
    wait_for(lambda: run_cell(client, "over") == "True", "the operator's end")
    (blender.folder / "let go").unlink()
    run_cell(client, "bpy.utils.unregister_class(Holder)")


RENDER = """
C.scene.render.engine = "CYCLES"
C.scene.cycles.samples = 1
C.scene.cycles.use_denoising = False
C.scene.render.resolution_x = C.scene.render.resolution_y = 64
bpy.ops.render.render("INVOKE_DEFAULT")
"""


@pytest.mark.parametrize("locked", [False, True], ids=["usable", "locked"])
def test_cells_run_beside_a_render(client: BlockingKernelClient, locked: bool) -> None:
    run_cell(client, f"C.scene.render.use_lock_interface = {locked}")
    assert run_cell(client, RENDER) == "{'RUNNING_MODAL'}"
    running = "bpy.app.is_job_running('RENDER')"
    wait_for(lambda: run_cell(client, running) == "False", "the end of the render")
    assert run_cell(client, CONTEXT) == IN_A_VIEW


LONG = """
import os, time

class Long(bpy.types.Operator):
    bl_idname = "test.long"
    bl_label = "Keeps Blender busy for four seconds"

    def execute(self, context):
        open("long", "w").close()
        try:
            time.sleep(4)
            bpy.ops.render.render()
        finally:
            os.unlink("long")
        return {"FINISHED"}

bpy.utils.register_class(Long)
bpy.app.timers.register(lambda: print(bpy.ops.test.long()))
C.scene.render.engine = "CYCLES"
C.scene.cycles.samples = 1
C.scene.cycles.use_denoising = False
C.scene.render.resolution_x = C.scene.render.resolution_y = 32
"""


def test_a_long_operator_delays_a_cell_and_no_more(
    client: BlockingKernelClient, blender: Run
) -> None:
    run_cell(client, LONG)
    wait_for((blender.folder / "long").exists, "the operator's beginning")
    told: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        told.append(message["content"].get("text", ""))

    cell = "assert not os.path.exists('long')"
    reply = client.execute_interactive(cell, timeout=60, output_hook=collect)
    assert reply["content"]["status"] == "ok", reply
    assert any(BUSY in text for text in told)
    assert run_cell(client, CONTEXT) == IN_A_VIEW
    run_cell(client, "bpy.utils.unregister_class(Long)")


def test_settings_choose_the_area_and_no_undo(start: Callable[..., Run]) -> None:
    run = start("--set=hosts.blender.context_area=OUTLINER", "--set=hosts.blender.undo=false")
    client = run.client()
    run_cell(client, "D.meshes.new('kept').use_fake_user = True")
    assert run_cell(client, "print(C.area.type, C.space_data.type)") == "OUTLINER OUTLINER\n"
    assert run_cell(client, "bpy.ops.ed.undo.poll()") == "False"
    assert run_cell(client, "'kept' in D.meshes") == "True"
