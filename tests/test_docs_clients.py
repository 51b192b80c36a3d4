"""docs/clients.md: every command that it shows is run, in its order."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from support.notebooks import Server
from support.runs import need
from support.world import SECONDS, World

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow(30)

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.+?)^```", TEXT, re.MULTILINE | re.DOTALL)
LINES = [re.sub(r"\s+#.*", "", line) for block in BLOCKS for line in block.splitlines()]
ID = re.compile(r"\w{8}-\w{4}-\w{4}-\w{4}-\w{12}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home in which a kernel runs; the commands of this environment are on PATH."""
    world = World(tmp_path)
    world.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{world.env['PATH']}"
    cell = nbformat.v4.new_code_cell("print(6 * 7)")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "in.ipynb")
    (tmp_path / "script.py").write_text("print('from a script')\n")
    world.detach()
    yield world
    world.close()


def run(world: World, line: str) -> str:
    """Run a line as it stands; what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=world.env,
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def use_notebook(world: World) -> None:
    """Notebook 7, whose user chooses the kernel that runs."""
    server = Server(world, app="notebook")
    try:
        notebook = server.start("hostkernel")
        assert notebook.result("import os; os.getpid()") == str(world.kernels()[0]["pid"])
        notebook.shut_down()
    finally:
        server.end()


# Clients that stay until they are told to end are driven in tests of their own: JupyterLab in
# Chromium in tests/jupyter/test_lab.py, the others in tests/jupyter/test_external.py.
ELSEWHERE = (
    "jupyter lab",
    "jupyter lab --ServerApp.allow_external_kernels=True",
    "jupyter console --existing",
    "hostkernel console",
)


def is_run_elsewhere(line: str) -> bool:
    return line == ELSEWHERE[0] or line.startswith(ELSEWHERE[1:])


@pytest.mark.timeout(600)
def test_every_command_works_as_shown(world: World) -> None:
    need(importlib.util.find_spec("notebook"), "notebook")
    [kernel] = world.kernels()
    secrets = secrets_of(Path(kernel["connection_file"]))
    said = []
    for line in (ID.sub(kernel["id"], line) for line in LINES if not is_run_elsewhere(line)):
        if line == "jupyter notebook":
            use_notebook(world)
            continue
        said.append(run(world, line))
        if line.endswith("--json"):
            json.loads(said[-1])
    assert "42" in (world.folder / "out.ipynb").read_text()
    assert not [secret for secret in secrets for text in said if secret in text]


def secrets_of(file: Path) -> list[str]:
    info = ConnectionInfo.read(file)
    curve = info.curve_secretkey
    return [info.key.get_secret_value(), *([curve.get_secret_value()] if curve else [])]


def test_links_and_pictures_are_there() -> None:
    targets = re.findall(r"\]\(((?!https?:|#)[^)]+)\)", TEXT)
    assert {"images/lab-choose.png", "images/lab-blender.png"} <= set(targets)
    assert not [target for target in targets if not (ROOT / "docs" / target).exists()]
    headings = [
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    ]
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(headings)


def test_each_client_has_its_line() -> None:
    shown = " ".join(LINES)
    for client in ("lab", "notebook", "console", "run", "nbconvert", "execute"):
        assert f"jupyter {client}" in shown
    assert "papermill" in shown
    assert "Not run here" in TEXT
