"""A notebook as a batch job: stock nbclient, and a Blender without a window."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest
from hosts.pictures import Picture
from hosts.runs import environment, need
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = {
    "background": ("background=true", "executable={blender}"),
    "bpy": ("executable=bpy",),
}


@pytest.fixture
def execute(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., nbformat.NotebookNode]:
    """Run a notebook with these cells, as a batch job does; it is changed in place."""
    blender = shutil.which("blender")
    if request.param == "bpy":
        need(importlib.util.find_spec("bpy"), "the bpy wheel of this Python")
    else:
        need(blender, "Blender on PATH")
    options = ["kernel.on_shutdown=exit-host", "hosts.blender.factory_startup=true"]
    options += [f"hosts.blender.{value}" for value in SETTINGS[request.param]]
    command = [sys.executable, "-m", "hostkernel", "run", "--host", "blender"]
    command += [part.format(blender=blender) for option in options for part in ("--set", option)]
    spec = {"argv": [*command, "-f", "{connection_file}"], "display_name": "", "language": "python"}
    folder = tmp_path / "kernels" / "blender"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    def execute(*cells: str) -> nbformat.NotebookNode:
        notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
        job = NotebookClient(notebook, kernel_name="blender", timeout=60, startup_timeout=60)
        job.execute(env=environment(tmp_path), cwd=str(tmp_path))
        return notebook

    return execute


RED = 'D.materials["Material"].node_tree.nodes["Principled BSDF"].inputs["Base Color"]'
SMALL = "r = C.scene.render; r.engine = 'CYCLES'; r.resolution_x = r.resolution_y = 64"


@pytest.mark.parametrize("execute", SETTINGS, indirect=True)
def test_the_output_notebook_has_the_pictures(
    execute: Callable[..., nbformat.NotebookNode],
) -> None:
    paint = f"{RED}.default_value = (0.8, 0.02, 0.02, 1)"
    sample = f"{SMALL}; C.scene.cycles.samples = 4; C.scene.cycles.use_denoising = False"
    notebook = execute(paint, sample, "%render", "%viewport 32x32", "D.objects['Cube']")
    assert nbformat.validate(notebook) is None
    page, _ = HTMLExporter().from_notebook_node(notebook)
    sizes = []
    for cell in notebook.cells[2:]:
        [output] = cell.outputs
        text = output["data"]["image/png"]
        assert text in page
        picture = Picture(text)
        red, green, blue = picture.at(0.5, 0.5)
        assert red > 2 * max(green, blue)
        sizes.append(picture.size)
    assert sizes == [(64, 64), (32, 32), (256, 256)]


@pytest.mark.parametrize("execute", ["bpy"], indirect=True)
def test_a_failing_cell_fails_the_job(execute: Callable[..., nbformat.NotebookNode]) -> None:
    with pytest.raises(CellExecutionError, match="no camera"):
        execute("C.scene.camera = None", "%render", "never = 1")
