"""A notebook as a batch job: stock nbclient, and a Blender without a window."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from support.pictures import Picture
from support.runs import environment, need, need_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow(40)

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
        need_module("bpy")
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


@pytest.fixture
def exec_(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``hostkernel exec --host blender in.ipynb -o out.ipynb`` of a notebook with these cells."""
    need(shutil.which("blender"), "Blender on PATH")
    settings = ("background=true", "factory_startup=true", f"executable={shutil.which('blender')}")
    options = [part for value in settings for part in ("--set", f"hosts.blender.{value}")]
    files = (str(tmp_path / "in.ipynb"), "-o", str(tmp_path / "out.ipynb"))

    def run(*cells: str) -> subprocess.CompletedProcess[str]:
        notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
        nbformat.write(notebook, tmp_path / "in.ipynb")
        command = [sys.executable, "-m", "hostkernel", "exec", "--host", "blender"]
        return subprocess.run(
            [*command, *options, *files],
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_one_line_runs_a_scene(
    exec_: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    fast = "C.scene.cycles.samples, C.scene.cycles.use_denoising = 1, False"
    done = exec_(SMALL, fast, "%render")
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    [output] = notebook.cells[-1].outputs
    assert Picture(output["data"]["image/png"]).size == (64, 64)
    assert list((tmp_path / "runtime").glob("kernel-*")) == []


def test_one_line_with_a_cell_that_fails(
    exec_: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = exec_("print('before')", "D.objects['nobody']", "print('never')")
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    outputs = [
        [output.output_type for output in cell.outputs]
        for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    ]
    assert outputs == [["stream"], ["error"], []]


@pytest.mark.parametrize("execute", ["bpy"], indirect=True)
def test_a_failing_cell_fails_the_job(execute: Callable[..., nbformat.NotebookNode]) -> None:
    with pytest.raises(CellExecutionError, match="no camera"):
        execute("C.scene.camera = None", "%render", "never = 1")
