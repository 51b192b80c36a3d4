"""What the README shows is run."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from support.pictures import Picture
from support.programs import Program
from support.runs import SECONDS, Run, environment, need_module, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = os.environ.get("HOSTKERNEL_TEST_PICTURES")
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def commands(block: str) -> list[list[str]]:
    """The ``hostkernel`` command lines of a block, as argument lists."""
    lines = (shlex.split(line, comments=True) for line in block.splitlines())
    return [words[1:] for words in lines if words and words[0] == "hostkernel"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    run = Run(tmp_path_factory.mktemp("readme"))
    (run.folder / "script.py").write_text("print('from a script')\n")
    run.file()
    yield run
    run.close()


def test_the_two_commands_come_first() -> None:
    first, second = blocks("sh")[0].splitlines()
    assert first.endswith(".venv/bin/pip install . && .venv/bin/hostkernel run")
    assert second.endswith(".venv/bin/pip install '.[test]' && .venv/bin/pytest -n 3")
    for script in (".ci/run", ".ci/bare"):
        assert "$(grep -m 1 'pytest -n 3$' README.md)" in (ROOT / script).read_text()


def test_run_prints_what_is_shown(run: Run) -> None:
    [shown] = [block for block in blocks("console") if "hostkernel run" in block]
    wait_for(lambda: "stop" in run.output, "the whole panel")
    labels = [line.split("  ")[0] for line in shown.splitlines()[1:]]
    assert [line.split("  ")[0] for line in run.output.splitlines()] == labels


def test_the_commands_for_a_running_kernel_work_as_shown(run: Run) -> None:
    [block] = [block for block in blocks("sh") if "hostkernel list" in block]
    shown = commands(block)
    assert [words[0] for words in shown] == ["list", "exec", "exec", "stop"]
    printed = [run.hostkernel(*words) for words in shown]
    assert printed[1:3] == ["hello\n", "from a script\n"]
    assert run.end() == 0


def test_the_config_commands_work_as_shown(run: Run) -> None:
    [block] = [block for block in blocks("sh") if "config init" in block]
    for words in commands(block):
        run.hostkernel(*words)
    assert (run.folder / "hostkernel.toml").exists()


def test_the_program_works_as_shown(tmp_path: Path) -> None:
    [block] = [block for block in blocks("python") if "hostkernel.start()" in block]
    source = block.replace("...", "tell(seen=drive(kernel, '1 + 1'))")
    program = Program(tmp_path, source)
    try:
        assert program.told()["seen"] == [["ok", None, "2"]]
        assert not program.files()
    finally:
        program.close()


@pytest.mark.slow(60)
@pytest.mark.timeout(300)
def test_blender_from_nothing_to_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for pip: with the bpy module, as where there is no Blender, and nbclient for the Lab."""
    need_module("bpy")
    environ = environment(tmp_path) | {"HOSTKERNEL_HOSTS__BLENDER__EXECUTABLE": "bpy"}
    monkeypatch.delenv("HOSTKERNEL_TEST_PICTURES", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    [block] = [block for block in blocks("sh") if "kernelspec install" in block]
    first, install, lab = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert first[-3:] == ["install", ".[blender]", "jupyterlab"]
    assert lab == [".venv/bin/jupyter", "lab"]
    subprocess.run([sys.executable, "-m", "hostkernel", *install[1:]], cwd=tmp_path, check=True)
    [shown] = re.findall(r"Choose \*(.+)\* in JupyterLab's launcher", README)
    specs = KernelSpecManager().get_all_specs()
    [name] = [name for name, each in specs.items() if each["spec"]["display_name"] == shown]
    [cell] = [block for block in blocks("python") if "%render" in block]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, kernel_name=name, timeout=SECONDS).execute(cwd=str(tmp_path))
    [output] = notebook.cells[0].outputs
    picture = output["data"]["image/png"]
    assert Picture(picture).size == (480, 270)
    if PICTURES:
        (Path(PICTURES) / "blender-first.png").write_bytes(base64.b64decode(picture))


def test_the_host_shown_is_the_one_of_the_tutorial() -> None:
    """Which the tests of plugins run, as a local file and as an installed wheel."""
    shown = re.search(r"<!-- host example -->\n(.*)\n<!-- /host example -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1] in (ROOT / "docs/plugins.md").read_text(encoding="utf-8")


def test_the_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(((?!https?:|#)[^)]+)\)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
    anchors = re.findall(r"\]\(#([^)]+)\)", README)
    headings = [line.lstrip("# ").lower().replace(" ", "-") for line in README.splitlines()]
    assert set(anchors) <= set(headings)


def test_the_variable_and_the_option_shown_are_understood(tmp_path: Path) -> None:
    for extra, env in (
        (["--set", "kernel.log_level=debug"], {}),
        ([], {"HOSTKERNEL_KERNEL__LOG_LEVEL": "debug"}),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "hostkernel", "config", "show", *extra],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        assert 'log_level = "debug"' in result.stdout
