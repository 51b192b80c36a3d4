"""What cells start in real hosts: child interpreters, pools, packages; and figures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kernel.test_interpreter import wheel
from support.live import cell
from support.runs import need, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.runs import Run

pytestmark = pytest.mark.slow(30)

EXAMPLE = Path(__file__).parents[2] / "examples" / "qt_window.py"
HOSTS = {
    "python": ("--host", "python"),
    "qt": ("--host", "qt", str(EXAMPLE)),
    "blender": (
        *("--host", "blender", "--set", f"hosts.blender.executable={shutil.which('blender')}"),
        *("--set", "hosts.blender.background=true", "--set", "hosts.blender.factory_startup=true"),
    ),
}


@pytest.fixture(scope="module", params=HOSTS)
def host(start_run: Callable[..., Run], request: pytest.FixtureRequest) -> Run:
    need(request.param != "blender" or shutil.which("blender"), "Blender on PATH")
    run = start_run(*HOSTS[request.param], QT_QPA_PLATFORM="offscreen")
    run.name = request.param
    return run


def test_child_interpreters(host: Run) -> None:
    code = """
import subprocess, sys
asked = "import sys; print(sys.version_info[:2])"
child = subprocess.check_output([sys.executable, "-c", asked], text=True)
child.strip() == str(sys.version_info[:2])
"""
    assert run_cell(host.client(), code) == "True"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools(host: Run, method: str) -> None:
    code = f"""
import math, multiprocessing, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        roots = pool.map(math.sqrt, [4, 9])
roots
"""
    assert run_cell(host.client(), code) == "[2.0, 3.0]"
    assert run_cell(host.client(), "1 + 1") == "2"


def test_forked_children_end_by_a_signal(host: Run) -> None:
    """The host's own handlers, which they have copies of, would have them go on."""
    code = """
import os, signal, time, warnings
def end(number):
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, b".")
            time.sleep(30)
        finally:
            os._exit(1)
    os.read(reader, 1)
    began = time.monotonic()
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    os.close(reader), os.close(writer)
    return time.monotonic() - began < 20, status
end(signal.SIGTERM), end(signal.SIGINT)
"""
    if host.name == "blender":  # in C, it takes Ctrl-C for the end of a render, in a child too
        code = code.replace(", end(signal.SIGINT)", "")
        assert run_cell(host.client(), code) == "(True, 15)"
    else:
        assert run_cell(host.client(), code) == "((True, 15), (True, 256))"


def test_packages_are_installed_beside_the_host(host: Run, tmp_path: Path) -> None:
    """Into a folder of its own, or into the environment that is the user's: not this one's."""
    if host.name != "blender":
        assert (
            run_cell(
                host.client(), "import hostkernel; print(hostkernel.current().host.packages())"
            )
            == "None\n"
        )
        return
    client = host.client()
    file = wheel(tmp_path, "beside_blender")
    assert "Successfully installed" in run_cell(client, f"%pip install --no-index {file}")
    place = run_cell(client, "import beside_blender; print(beside_blender.__file__)")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert place.startswith(str(host.folder / "data/hostkernel/packages/blender" / version))


def test_figures(host: Run) -> None:
    """Qt programs too: this one has not chosen a backend."""
    code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); None"
    reply = cell(host.client(), code)
    assert reply.status == "ok", reply.content["traceback"]
    shown = [m["content"]["data"] for m in reply.messages if m["msg_type"] == "display_data"]
    assert ["image/png" in data for data in shown] == [True]
