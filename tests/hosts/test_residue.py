"""After ``stop()`` each of the bundled hosts is as it was, and kernels may come again."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.live import cell
from support.runs import SECONDS, Run, need, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(30)

PROGRAM = Path(__file__).with_name("come_and_go.py")
FOLDERS = [sysconfig.get_path("purelib"), str(Path(__file__).parents[1] / "support")]
CELLS = (
    "print('printed'); 1 + 1",
    "import asyncio; await asyncio.sleep(0.01)",
    "1 / 0",
    "import sys; sys.exit(1)",
    "!echo shell",
    "%timeit -n1 -r1 pass",
    "class Kept: pass",
    "display('shown')",
    "import threading; thread = threading.Thread(target=print); thread.start(); thread.join()",
    "import comm; c = comm.create_comm(target_name='nobody'); c.close()",
)
COUNT = 3


class Plain(Run):
    """A host that was started without hostkernel."""

    command = ()

    def told(self) -> Path:
        return self.folder / "told.json"

    def close(self) -> None:
        if self.process.poll() is None:  # Ctrl-C is nothing to Blender's window
            self.process.terminate()
        super().close()


def command(kind: str) -> tuple[str, ...]:
    """How this kind of host runs a script."""
    if kind in {"background", "window"}:
        need(shutil.which("blender"), "Blender on PATH")
        small = ("--window-geometry", "0", "0", "320", "240")
        options = ("--background",) if kind == "background" else small
        return ("blender", "--factory-startup", *options, "--python", str(PROGRAM), "--")
    return (sys.executable, str(PROGRAM))


@pytest.fixture
def host(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Plain]]:
    """Start the host that goes through the cycles."""
    env = {"DISPLAY": request.getfixturevalue("display")} if kind == "window" else {}
    env |= {"FOLDERS": json.dumps(FOLDERS), "QT_QPA_PLATFORM": "offscreen"}
    run = Plain(tmp_path, *command(kind), kind, str(COUNT), **env)
    yield run
    run.close()


@pytest.mark.timeout(300)
def test_cycles(host: Plain) -> None:
    wait_for(host.files, lambda: f"the first kernel\n{host.output}", 3 * SECONDS)
    for number in range(COUNT):
        file = host.file()
        client = host.client()
        for code in CELLS:
            cell(client, code)
        client.stop_channels()
        (host.folder / f"stop{number}").touch()
        wait_for(lambda: not file.exists(), f"the end of kernel {number}")  # noqa: B023
    wait_for(host.told().exists, lambda: f"what the host has to tell\n{host.output}")
    told = json.loads(host.told().read_text())
    assert told["left"] == []
    assert told["differences"] == [], "\n".join(told["differences"])
    assert "excepthook" not in told
    assert told["console"] == "still there\nto the console\n"
    assert host.end() == 0
