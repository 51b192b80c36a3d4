"""Exceptions that come to a real host while no cell runs, by what a cell left behind.

In a Qt program they may come to a slot of its own just as well: see test_qt_stray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.kinds import arguments
from support.runs import Run, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(30)

ALARM = """
import pathlib, signal
def handler(*_):
    pathlib.Path("rung").touch()
    raise {error}
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.5)
"""
HIT = """
import ctypes, pathlib, threading
def hit(ident=threading.main_thread().ident):
    error = ctypes.py_object({error})
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), error)
    pathlib.Path("rung").touch()
threading.Timer(0.5, hit).start()
"""


@pytest.fixture(scope="module", params=("python", "bpy", "background"))
def host(
    request: pytest.FixtureRequest,
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """One host of each kind."""
    return start_run(*arguments(request.param, tmp_path_factory.mktemp("program")))


@pytest.mark.parametrize(
    ("way", "error"),
    [(ALARM, "ValueError"), (ALARM, "KeyboardInterrupt"), (ALARM, "SystemExit"), (HIT, "KeyError")],
)
def test_kernel_and_host_go_on(host: Run, way: str, error: str) -> None:
    client = host.client()
    rung = host.folder / "rung"
    run_cell(client, f"import os; os.chdir({str(host.folder)!r})")
    run_cell(client, way.format(error=error))
    wait_for(rung.exists, "the exception")
    rung.unlink()
    client.kernel_info()  # what waits for the thread's next instruction is raised now
    assert run_cell(client, "6 * 7") == "42"
    assert run_cell(client, "import hostkernel; hostkernel.current().is_running") == "True"
    assert host.process.poll() is None


def test_afterwards_it_is_restarted_and_ended_as_ever(host: Run) -> None:
    """The last test of each host: its end is no failure."""
    client = host.client()
    run_cell(client, "gone = 1")
    host.hostkernel("restart")
    wait_for(lambda: run_cell(client, "'gone' in globals()") == "False", "a fresh namespace")
    assert host.interrupt() == 0, host.output
    assert host.files() == []
