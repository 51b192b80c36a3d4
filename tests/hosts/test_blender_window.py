"""Cells in Blender's window: their context, and what happens to the window meanwhile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from hosts.runs import need, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.runs import Run
    from jupyter_client.blocking.client import BlockingKernelClient

CONTEXT = "print(C.area.type, C.region.type, C.space_data.type, *bpy.ops.view3d.view_all())"
IN_A_VIEW = "VIEW_3D WINDOW VIEW_3D FINISHED\n"


@pytest.fixture(scope="module")
def start(start_run: Callable[..., Run], display: str) -> Callable[..., Run]:
    """Start a Blender window, with more arguments for ``run`` behind it."""
    need(shutil.which("blender"), "Blender on PATH")

    def start(*args: str) -> Run:
        settings = ("factory_startup=true", f"executable={shutil.which('blender')}")
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
    "bpy.ops.wm.open_mainfile(filepath=FILE)",
    "bpy.ops.wm.open_mainfile(filepath=FILE, load_ui=False)",
    "bpy.ops.wm.revert_mainfile()",
)


def test_operators_find_a_view_after_file_loads(client: BlockingKernelClient) -> None:
    for load in LOADS:
        run_cell(client, load)
        assert run_cell(client, CONTEXT) == IN_A_VIEW, load
