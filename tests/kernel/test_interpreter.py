"""Children and packages of cells get the host's real Python, whatever ``sys.executable`` says."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.live import control, value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.live import LiveHost

pytestmark = pytest.mark.slow(20)

HOST = """
import multiprocessing.spawn, os, pathlib, sys
class Embedding(LiveHost):
    def interpreter(self):
        return (PYTHON,)
    def packages(self):
        return pathlib.Path(PACKAGES)
before = sys.executable, multiprocessing.spawn.get_executable()
sys.executable = "/opt/application"
multiprocessing.spawn.set_executable("/opt/application")
"""


@pytest.fixture(scope="module")
def embedding(live: Callable[..., LiveHost], tmp_path_factory: pytest.TempPathFactory) -> LiveHost:
    """A host whose ``sys.executable`` is an application, as in many."""
    folder = tmp_path_factory.mktemp("embedding")
    python = folder / "real-python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    host = live("pumped")
    host.do(f"PYTHON, PACKAGES = {str(python)!r}, {str(folder / 'packages')!r}\n{HOST}")
    host.start("Embedding")
    return host


def wheel(folder: Path, name: str) -> Path:
    """A package of one module, which knows its name."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return file


def test_children_are_started_with_it(embedding: LiveHost) -> None:
    code = """
import subprocess, sys
subprocess.check_output([sys.executable, "-c", "print('a', 'child')"])
"""
    assert value(embedding.client(), code) == r"b'a child\n'"


def test_the_hosts_own_is_untouched(embedding: LiveHost) -> None:
    value(embedding.client(), "import sys; seen = sys.executable; None")
    assert embedding.do("sys.executable") == "/opt/application"
    assert embedding.do("os.fsdecode(multiprocessing.spawn.get_executable())") == "/opt/application"


def test_also_while_a_cell_awaits(embedding: LiveHost) -> None:
    code = """
import asyncio, sys
one = sys.executable
await asyncio.sleep(0)
one == sys.executable != "/opt/application"
"""
    assert value(embedding.client(), code) == "True"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_of_processes(embedding: LiveHost, method: str) -> None:
    code = f"""
import math, multiprocessing
with multiprocessing.get_context({method!r}).Pool(2) as pool:
    roots = pool.map(math.sqrt, [4, 9])
roots
"""
    assert value(embedding.client(), code) == "[2.0, 3.0]"


def test_a_pool_for_functions_of_a_cell(embedding: LiveHost) -> None:
    code = """
import multiprocessing, warnings
def double(number): return 2 * number
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        doubled = pool.map(double, [1, 2])
doubled
"""
    assert value(embedding.client(), code) == "[2, 4]"


def test_pip_installs_into_a_folder_of_the_hosts(embedding: LiveHost, tmp_path: Path) -> None:
    client = embedding.client()
    before = value(client, "import sys; sys.path")
    file = wheel(tmp_path, "of_a_cell")
    assert "Successfully installed" in value(client, f"%pip install --no-index {file}")
    assert value(client, "import of_a_cell; of_a_cell.NAME") == "'of_a_cell'"
    place = value(client, "of_a_cell.__file__")
    assert place.strip("'").startswith(embedding.do("PACKAGES"))
    assert value(client, "import sys; sys.path[:-1]") == before
    again = value(client, "%pip install --no-index of-a-cell pyzmq")
    assert again.count("already satisfied") >= 2
    control(client, "shutdown_request", restart=True)
    assert value(client, "import of_a_cell; of_a_cell.NAME") == "'of_a_cell'"


def test_pip_removes_what_it_installed_and_nothing_else(
    embedding: LiveHost, tmp_path: Path
) -> None:
    client = embedding.client()
    said = value(client, f"%pip install --no-index {wheel(tmp_path, 'short_lived')}")
    assert "Successfully installed" in said
    assert "outside environment" in value(client, "%pip uninstall -y pyzmq")
    assert "Successfully uninstalled" in value(client, "%pip uninstall -y short-lived")
    assert value(client, "import importlib.util as u; u.find_spec('short_lived')") == ""


def test_pip_installs_where_it_is_told(embedding: LiveHost, tmp_path: Path) -> None:
    file = wheel(tmp_path, "elsewhere")
    value(embedding.client(), f"%pip install --no-index --target {tmp_path / 'there'} {file}")
    assert (tmp_path / "there" / "elsewhere.py").is_file()


def test_it_is_all_taken_back(embedding: LiveHost) -> None:
    embedding.drop_clients()
    assert embedding.stop() == []
    packages = embedding.do("PACKAGES")
    assert not [place for place in embedding.do("sys.path") if place.startswith(packages)]
    embedding.start("Embedding")
    assert value(embedding.client(), "import of_a_cell; of_a_cell.NAME") == "'of_a_cell'"


def test_an_adapter_that_fails(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do("class Broken(LiveHost):\n    def interpreter(self): return 1 / 0")
    host.start("Broken")
    assert value(host.client(), "import sys; sys.executable") == repr(sys.executable)
    assert "Broken: interpreter() or packages() failed" in host.output


def test_plain_python_uses_its_own_environment(host: LiveHost) -> None:
    host.start()
    code = "import hostkernel; print(hostkernel.current().host.packages())"
    assert value(host.client(), code) == "None\n"
