"""An interrupt ends a cell that is inside of Blender's own loops, and a forked child ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.kinds import arguments
from support.live import busy, control, finish
from support.runs import SECONDS, Run, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(30)

BEGIN = """
import bpy, tempfile, time
done = 0
def slow(*_):
    global done
    if not done:
        print("started", flush=True)
    done += 1
    time.sleep(0.1)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.render.resolution_x = scene.render.resolution_y = 16
scene.cycles.use_denoising = False
scene.render.filepath = tempfile.mkdtemp() + "/"
scene.frame_end = 400
bpy.app.handlers.frame_change_pre.clear()
bpy.app.handlers.render_pre.clear()
"""
LOOPS = {
    "frame_set": """
bpy.app.handlers.frame_change_pre.append(slow)
for frame in range(600): scene.frame_set(frame)
""",
    "a property's update": """
bpy.types.Scene.own = bpy.props.IntProperty(update=lambda it, context: slow())
for number in range(600): scene.own = number
""",
    "a handler that sets a property": """
bpy.types.Scene.own = bpy.props.IntProperty(update=lambda it, context: slow())
def sets(*_):
    for number in range(3): scene.own = number
bpy.app.handlers.frame_change_pre.append(sets)
for frame in range(200): scene.frame_set(frame)
""",
    "render": """
bpy.app.handlers.render_pre.append(slow)
for number in range(600): bpy.ops.render.render()
""",
}


@pytest.fixture(scope="module", params=["bpy", "background", "window"])
def blender(
    request: pytest.FixtureRequest,
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Blender as a module, and its program without a window and with one."""
    env = {"DISPLAY": request.getfixturevalue("display")} if request.param == "window" else {}
    return start_run(*arguments(request.param, tmp_path_factory.mktemp("program")), **env)


@pytest.fixture(scope="module")
def client(blender: Run) -> BlockingKernelClient:
    return blender.client(2 * SECONDS)


@pytest.mark.parametrize("code", LOOPS.values(), ids=LOOPS.keys())
def test_a_callback_that_swallows_it(client: BlockingKernelClient, code: str) -> None:
    request = busy(client, BEGIN + code)
    control(client, "interrupt_request")
    reply = finish(client, request)
    assert reply.ename == "KeyboardInterrupt", reply
    assert int(run_cell(client, "done")) < 100
    assert run_cell(client, "import sys; print(sys.gettrace())") == "None\n"


def test_ten_presses(client: BlockingKernelClient) -> None:
    request = busy(client, BEGIN + LOOPS["frame_set"])
    for _ in range(10):
        assert control(client, "interrupt_request") == {"status": "ok"}
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert int(run_cell(client, "done")) < 100
    assert run_cell(client, "6 * 7") == "42"


def test_an_animation(client: BlockingKernelClient) -> None:
    """One operator: Blender breaks it off by itself, or the cell ends behind it."""
    code = """
scene.frame_end = 30
bpy.app.handlers.frame_change_pre.append(slow)
bpy.ops.render.render(animation=True)
after = 1
"""
    request = busy(client, BEGIN + code)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert run_cell(client, "'after' in globals()") == "False"


def test_its_own_except(client: BlockingKernelClient) -> None:
    code = """
bpy.app.handlers.frame_change_pre.append(slow)
try:
    for frame in range(600): scene.frame_set(frame)
except KeyboardInterrupt:
    caught = frame
caught < 100
"""
    request = busy(client, BEGIN + code)
    control(client, "interrupt_request")
    reply = finish(client, request)
    assert (reply.status, reply.text.endswith("True")) == ("ok", True), reply


@pytest.mark.parametrize(("code", "status"), [("x = 1", 0), ("1 / 0", 1), ("sys.exit(3)", 3)])
def test_a_forked_child_is_no_second_blender(
    client: BlockingKernelClient, code: str, status: int
) -> None:
    cell = f"""
import os, sys
pid = os.fork()
if not pid: {code}
if pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run_cell(client, cell) == f"{status}\n"


def test_a_child_forked_by_a_handler(client: BlockingKernelClient) -> None:
    """By a cell's function, but outside of any cell."""
    code = """
import asyncio, os
pids = []
def fork(*_):
    pids.append(os.fork())
bpy.app.handlers.frame_change_pre.clear()
bpy.app.handlers.frame_change_pre.append(fork)
scene.frame_set(2)
bpy.app.handlers.frame_change_pre.clear()
if pids[0]: print(os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]))
"""
    assert run_cell(client, code) == "0\n"
