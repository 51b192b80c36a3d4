"""Cells draw with the host's own matplotlib, which may be older than what our side brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.kinds import arguments
from support.live import cell, value
from support.runs import need, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(20)

SYSTEMS = Path("/usr/lib/python3/dist-packages/matplotlib")
INLINE = "module://matplotlib_inline.backend_inline"


def system_python(folder: Path) -> tuple[str, ...]:
    del folder
    return ("--host", "python", '--set=hosts.python.command=["/usr/bin/python3"]')


def background(folder: Path) -> tuple[str, ...]:
    return arguments("background", folder)


def own(folder: Path) -> tuple[str, ...]:
    need(importlib.util.find_spec("matplotlib"), "matplotlib")
    return arguments("python", folder)


@pytest.fixture(scope="module", params=(system_python, background, own))
def client(
    request: pytest.FixtureRequest,
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> BlockingKernelClient:
    """A client of a host in which the tests below run in their order."""
    if request.param is not own:
        need(SYSTEMS.is_dir(), "the system's python3-matplotlib")
    folder = tmp_path_factory.mktemp("program")
    return start_run(*request.param(folder), MPLCONFIGDIR=str(folder)).client()


def pictures(client: BlockingKernelClient, code: str) -> list[str]:
    """The message types of the pictures that a cell shows."""
    reply = cell(client, code)
    assert reply.status == "ok", "\n".join(reply.content["traceback"])
    shown = [message for message in reply.messages if "data" in message["content"]]
    return [m["msg_type"] for m in shown if "image/png" in m["content"]["data"]]


def test_figures_are_shown_under_their_cells(client: BlockingKernelClient) -> None:
    """The first test: it has matplotlib imported."""
    draw = "import matplotlib.pyplot as plt; lines = plt.plot([1, 2])"
    assert pictures(client, draw) == ["display_data"]
    assert pictures(client, "None") == []
    assert pictures(client, "plt.plot([2, 1]); plt.show(); print(len(plt.get_fignums()))") == [
        "display_data"
    ]
    figure = "figure, axes = plt.subplots(); axes.plot([1]); plt.close(figure); figure"
    assert pictures(client, figure) == ["execute_result"]
    assert pictures(client, "axes = plt.axes(projection='3d')") == ["display_data"]
    assert value(client, "plt.get_backend()") == repr(INLINE)


def test_asked_for_it_is_inline(client: BlockingKernelClient) -> None:
    assert pictures(client, "%matplotlib inline\nlines = plt.plot([1, 2])") == ["display_data"]


def test_the_library_is_as_it_came(client: BlockingKernelClient) -> None:
    code = "'_get' in vars(plt.matplotlib.RcParams), plt.matplotlib.__version_info__ >= (3, 7)"
    given, newer = eval(value(client, code))
    assert given == newer


def test_agg_draws_to_a_file(client: BlockingKernelClient) -> None:
    """The last test: pictures are no longer shown."""
    code = (
        "import io, matplotlib; matplotlib.use('Agg'); lines = plt.plot([1]); file = io.BytesIO()\n"
        "plt.savefig(file); plt.close(); print(plt.get_backend().lower(), file.tell() > 1000)"
    )
    assert value(client, code) == "agg True\n"
    assert pictures(client, "lines = plt.plot([1])") == []


def test_agg_before_all_else(
    start_run: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    need(SYSTEMS.is_dir(), "the system's python3-matplotlib")
    folder = tmp_path_factory.mktemp("program")
    client = start_run(*system_python(folder), MPLCONFIGDIR=str(folder)).client()
    code = (
        "import matplotlib; matplotlib.use('Agg')\nimport matplotlib.pyplot as plt; plt.plot([1])"
    )
    assert "Line2D" in value(client, code)


DRAWS = """
import pathlib, time
while not pathlib.Path("go").exists(): time.sleep(0.01)
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.savefig("own.png")
print("drawn by", plt.get_backend().lower(), flush=True)
while not pathlib.Path("end").exists(): time.sleep(0.01)
"""


def test_the_hosts_own_code_draws_while_a_kernel_runs(
    start_run: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It asks IPython for a shell, and must find none."""
    need(SYSTEMS.is_dir(), "the system's python3-matplotlib")
    folder = tmp_path_factory.mktemp("program")
    (folder / "script.py").write_text(DRAWS)
    run = start_run(
        *system_python(folder),
        "--set=hosts.python.mode=thread",
        str(folder / "script.py"),
        MPLCONFIGDIR=str(folder),
    )
    client = run.client()
    value(client, "import pathlib")
    (run.folder / "go").touch()
    wait_for(lambda: "drawn by agg" in run.output, "the host's own figure")
    assert (run.folder / "own.png").stat().st_size > 1000
    assert pictures(client, "None") == []
    (run.folder / "end").touch()
    assert run.end() == 0
    assert "Traceback" not in run.output
