"""docs/plugins.md: its headings are the hooks, its snippets run, its tutorial works."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.runs import SECONDS, Run, run_cell, wait_for

from hostkernel import HostSettings, hookspecs
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "plugins.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
HOOKS = {name: f for name, f in vars(hookspecs).items() if name.startswith("hostkernel_")}
SECTIONS = dict(
    re.findall(r"^### `(hostkernel_.+?)`\n(.+?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
)
BLOCKS = re.findall(r"^```(\w+)\n(.+?)^```", TEXT, re.MULTILINE | re.DOTALL)
FILES = {body.split()[1]: body for _, body in BLOCKS if body.startswith("# ")}
SNIPPETS = [body for language, body in BLOCKS if language == "python" and body[0] != "#"]


def _heading(name: str) -> str:
    return name + str(inspect.signature(HOOKS[name])).replace("'", "")


def test_a_hooks_heading_is_its_exact_signature():
    assert list(SECTIONS) == [_heading(name) for name in HOOKS]


@pytest.mark.parametrize("name", HOOKS)
def test_a_hooks_text_is_its_docstring(name):
    said = inspect.getdoc(HOOKS[name]).replace("``", "`")
    assert SECTIONS[_heading(name)].strip().startswith(said)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.split("def ")[-1][:24])
def test_a_snippet_is_a_plugin(snippet, tmp_path):
    (tmp_path / "snippet.py").write_text(snippet)
    plugins, reported = Plugins.load([tmp_path / "snippet.py"], ["hostkernel"]), []
    assert plugins.problems == []
    (hook,) = re.findall(r"def (hostkernel_\w+)", snippet)
    python = Plugins.load().host_class("python")(HostSettings())
    known = {"host": python, "kernel": _Kernel, "cell": "1", "result": 1, "reason": "stop()"}
    known |= {"message": {"content": {"comm_id": "1"}}}
    wanted = {name: known[name] for name in inspect.signature(HOOKS[hook]).parameters}
    plugins.report = reported.append
    assert len(plugins.collect(hook, **wanted)) == 1
    assert reported == []


class _Kernel:
    id = "1"
    connection_file = Path("kernel-1.json")


def test_every_hook_has_a_snippet():
    shown = " ".join([*SNIPPETS, *FILES.values()])
    assert [name for name in HOOKS if f"def {name}(" not in shown] == []


# The tutorial


def test_twenty_lines_are_twenty_lines():
    code = [line for line in FILES["tinyapp_hostkernel.py"].splitlines() if line.strip()]
    assert len(code) - 1 <= 20


class TutorialRun(Run):
    """The tutorial's own command line, where its files are."""

    def __init__(self, folder: Path, command: str, search: Path) -> None:
        name, run, *args = shlex.split(command)
        assert (name, run) == ("hostkernel", "run")
        super().__init__(folder, *args, PYTHONPATH=str(search))


def _commands() -> list[str]:
    return [line for language, body in BLOCKS if language == "sh" for line in body.splitlines()]


RUN, *LISTINGS = _commands()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[TutorialRun]:
    """The tutorial's host, run from a folder with its files and settings."""
    for name in ("tinyapp.py", "tinyapp_hostkernel.py", "hostkernel.toml"):
        (tmp_path / name).write_text(FILES[name])
    run = TutorialRun(tmp_path, RUN, tmp_path)
    yield run
    run.close()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's distribution, built and unpacked as an installer does."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("tinyapp.py", "tinyapp_hostkernel.py", "pyproject.toml"):
        (source / name).write_text(FILES[name])
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(source)]
    done = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = source.glob("*.whl")
    zipfile.ZipFile(built).extractall(target)
    return target


@pytest.fixture
def installed(tmp_path: Path, wheel: Path) -> Iterator[TutorialRun]:
    """The tutorial's host, installed, run from an empty folder."""
    run = TutorialRun(tmp_path, RUN, wheel)
    yield run
    run.close()


WHERE = """
import tinyapp, threading
print(tinyapp.document, threading.current_thread() is threading.main_thread())
"""
TURN = """
import asyncio
turned, loop = asyncio.Event(), asyncio.get_running_loop()
tinyapp.post(lambda: loop.call_soon_threadsafe(turned.set))
await asyncio.wait_for(turned.wait(), 30)
"""


@pytest.mark.parametrize("kind", ["local", "installed"])
def test_the_tutorials_host(kind, request):
    run = request.getfixturevalue(kind)
    client = run.client()
    assert run_cell(client, WHERE).strip() == "['first line'] True"
    run_cell(client, TURN)
    assert '"first line"' in run.hostkernel("list", "--json")
    run.hostkernel("stop", "--exit-host")
    wait_for(lambda: run.process.poll() is not None, "the application ends")
    assert run.process.returncode == 0, run.output


STARTED = """
import runpy, sys, threading
import tinyapp

def begin():
    import hostkernel
    kernel = hostkernel.start()
    print(kernel.host.name, kernel.mode, flush=True)
    tinyapp.post(hostkernel.stop)
    tinyapp.post(None)

tinyapp.post(begin)
"""


def test_the_tutorials_host_is_detected(tmp_path, wheel):
    (tmp_path / "script.py").write_text(STARTED)
    env = os.environ | {"PYTHONPATH": str(wheel), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "tinyapp", "script.py"]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["tinyapp", "pumped"]), done.stderr


@pytest.mark.parametrize("command", LISTINGS)
def test_the_listings_know_the_tutorials_host(command, tmp_path, wheel):
    env = os.environ | {"PYTHONPATH": str(wheel), "HOME": str(tmp_path)}
    args = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "hostkernel", *args],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "tinyapp" in done.stdout
