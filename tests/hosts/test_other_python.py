"""A command line on one Python, a host with another: packages for it are built once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostkernel_blender.outside.wheels import own_wheel
from support.runs import Run, need, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The first test also installs hostkernel for another Python.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow(70)]

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.devnull, "PIP_CONFIG_FILE": os.devnull}
PLACES = ("~/.pyenv/versions/3.{minor}.*/bin/python", "/usr/bin/python3.{minor}")


def newer_python() -> Path | None:
    """A Python of this machine that is newer than Debian's Blender's."""
    for minor in (13, 12):
        for place in PLACES:
            pattern = Path(place.format(minor=minor)).expanduser()
            if found := sorted(Path("/").glob(str(pattern.relative_to("/")))):
                return found[-1]
    return None


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hostkernel, installed for another Python than Blender's."""
    need(shutil.which("blender"), "Blender on PATH")
    newer = newer_python()
    need(newer, "Python 3.12 or 3.13")
    folder = tmp_path_factory.mktemp("other")
    subprocess.run([newer, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    wheel = own_wheel(folder)
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    return python


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def start(other: Path, home: Path) -> Iterator[Callable[..., Run]]:
    """Start Blender in the background, from the other Python's command line."""
    runs: list[Run] = []

    class FromOther(Run):
        command = (str(other), "-m", "hostkernel", "run")

    def start(**env: str) -> Run:
        settings = {
            "background": "true",
            "executable": shutil.which("blender"),
            "factory_startup": "true",
        }
        options = [f"--set=hosts.blender.{key}={value}" for key, value in settings.items()]
        runs.append(FromOther(home, "--host", "blender", *options, **env))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def built(home: Path, kind: str) -> list[Path]:
    return list((home / "cache" / "hostkernel" / "packages" / "python3.11").glob(f"{kind}-*"))


WHERE = """
import json, hostkernel, hostkernel_blender, ipykernel, zmq
modules = hostkernel, hostkernel_blender, ipykernel, zmq
print(json.dumps([module.__file__ for module in modules]))
"""


def test_without_a_network_it_says_so_and_leaves_nothing_half_done(
    start: Callable[..., Run], home: Path
) -> None:
    run = start(**OFFLINE)
    assert run.end() == 3
    assert "the packages for Python 3.11 could not be fetched" in run.output
    assert "Is there a network?" in run.output
    assert built(home, "packages") == []
    assert built(home, ".part") == []


def test_a_start_that_was_given_up_leaves_nothing_half_done(
    start: Callable[..., Run], home: Path
) -> None:
    run = start()
    wait_for(lambda: built(home, ".part"), "the beginning of the packages")
    os.kill(run.process.pid, signal.SIGINT)  # a terminal would tell the children too
    assert run.end() == 3
    assert built(home, "packages") == []
    assert built(home, ".part") == []


def test_one_that_was_killed_is_cleared_away(start: Callable[..., Run], home: Path) -> None:
    run = start()
    [part] = wait_for(lambda: built(home, ".part"), "the beginning of the packages")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.end()
    assert part.exists()
    yesterday = part.stat().st_mtime - 24 * 3600
    os.utime(part, (yesterday, yesterday))
    again = start(**OFFLINE)
    assert again.end() == 3
    assert built(home, ".part") == []


def test_packages_are_built_once_for_the_hosts_python(
    start: Callable[..., Run], home: Path
) -> None:
    run = start()
    client = run.client()
    assert run_cell(client, "import sys; sys.version_info[:2]") == "(3, 11)"
    [code], [packages] = built(home, "code"), built(home, "packages")
    ours, plugin, kernel, zmq = json.loads(run_cell(client, WHERE))
    assert Path(ours).is_relative_to(code)
    assert Path(plugin).is_relative_to(code)
    assert Path(kernel).is_relative_to(packages)
    assert Path(zmq).is_relative_to(packages)
    assert run_cell(client, "C.scene.name") == "'Scene'"
    assert run.interrupt() == 0

    again = start(**OFFLINE)
    assert run_cell(again.client(), "bpy.app.background") == "True"
    assert built(home, "packages") == [packages]
    # What is started in vain to find out which Python there is, is started once.
    assert again.interrupt() == 0
    assert again.output.count("Blender 3.") == 1
