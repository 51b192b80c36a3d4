"""One notebook, unattended: papermill, nbclient, nbconvert and jupyter execute, by kernelspec."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from support.notebooks import host_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.world import World

pytestmark = pytest.mark.slow(120)

CELLS = (
    "x = 20",
    "import hostkernel\nprint('in', hostkernel.current().host.name)",
    "x + 1",
)
RUNNERS = {
    "papermill": ("papermill", "in.ipynb", "out.ipynb", "-k", "NAME"),
    "nbclient": ("client.py", "in.ipynb", "out.ipynb", "NAME"),
    "nbconvert": (
        *("jupyter", "nbconvert", "--to", "notebook", "--execute", "in.ipynb"),
        *("--output", "out.ipynb", "--ExecutePreprocessor.kernel_name=NAME"),
    ),
    "execute": ("jupyter", "execute", "in.ipynb", "--output=out.ipynb", "--kernel_name=NAME"),
}
CLIENT = """
import sys, nbformat
from nbclient import NotebookClient
source, target, name = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
NotebookClient(notebook, kernel_name=name).execute()
nbformat.write(notebook, target)
"""


def write(file: Path, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, file)


def texts(file: Path) -> list[str]:
    """What each cell gave, as text."""
    cells = json.loads(file.read_text())["cells"]
    return [
        "".join(
            "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
            for output in cell["outputs"]
        )
        for cell in cells
        if cell["cell_type"] == "code"
    ]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("host", ["python", "qt", "blender", "blender-background"])
def test_a_notebook_runs_unattended(
    world: World, install: Callable[..., None], host: str, runner: str
) -> None:
    """The ``bpy`` wheel is a host of hostkernel's own process, Blender's program is not."""
    options = host_options(host, world.folder)
    host = host.removesuffix("-background")
    install("--host", host, *options)
    write(world.folder / "in.ipynb", *CELLS)
    (world.folder / "client.py").write_text(CLIENT)
    program, *args = [word.replace("NAME", f"hostkernel-{host}") for word in RUNNERS[runner]]
    start = [program] if program.endswith(".py") else ["-m", program]
    done = subprocess.run(
        [sys.executable, *start, *args],
        cwd=world.folder,
        env=world.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,  # Jupyter's program, ours and an application start one after the other
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert texts(world.folder / "out.ipynb")[-2:] == [f"in {host}\n", "21"]
    assert list(world.processes()) == []
    assert world.kernels() == []


# hostkernel exec


@pytest.mark.parametrize("host", ["python", "qt", "blender"])
def test_exec_as_a_batch_job_of_one_line(world: World, host: str) -> None:
    options = host_options(host, world.folder)
    args = ("--", options[-1]) if options[-1:] == ("program.py",) else ()
    sets = options[:2]
    write(world.folder / "in.ipynb", *CELLS)
    done = world.run("exec", "--host", host, *sets, "in.ipynb", "-o", "out.ipynb", *args)
    assert done.returncode == 0, done.stderr
    assert texts(world.folder / "out.ipynb") == ["", f"in {host}\n", "21"]
    assert world.is_empty()


def test_exec_ends_the_host_when_the_job_fails(world: World) -> None:
    noisy = "import os; n = os.write(2, b'said by the host itself'); print('before')"
    write(world.folder / "in.ipynb", noisy, "1 / 0", "print('never')")
    done = world.run("exec", "--host", "python", "in.ipynb", "-o", "out.ipynb")
    assert done.returncode == 1
    assert "ZeroDivisionError: division by zero" in done.stderr
    log = re.search(r"the host's own output is in (\S+)", done.stderr)
    assert log is not None
    assert Path(log[1]).read_text() == "said by the host itself"
    assert texts(world.folder / "out.ipynb")[0] == "before\n"
    assert world.is_empty()

    done = world.run("exec", "--host", "python", "-c", "print('out'); 1 / 0")
    assert (done.returncode, done.stdout) == (1, "out\n")
    assert "own output" not in done.stderr  # for there is none
    assert world.is_empty()


def test_exec_a_notebook_in_what_is_open(world: World) -> None:
    world.detach()
    world.exec("y = 'from before'")
    write(world.folder / "in.ipynb", "y", "z = 3")
    done = world.run("exec", "in.ipynb", "-o", "out.ipynb")
    assert done.returncode == 0, done.stderr
    assert texts(world.folder / "out.ipynb") == ["'from before'", ""]
    assert world.exec("print(z)") == "3"

    shown = world.run("exec", "in.ipynb")
    assert (shown.returncode, shown.stdout) == (0, "'from before'\n")


def test_exec_refuses_what_is_no_notebook(world: World) -> None:
    world.detach()
    (world.folder / "in.ipynb").write_text("{}")
    for output in ((), ("-o", "out.ipynb")):
        done = world.run("exec", "in.ipynb", *output)
        assert done.returncode == 2
        assert "is not a notebook" in done.stderr.replace("\n", " ")
    assert not (world.folder / "out.ipynb").exists()
