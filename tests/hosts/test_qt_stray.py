"""Exceptions that come to a Qt program between cells: from signals, and from cells' callbacks.

The program has no slot in Python, so that Python runs only when the kernel is woken.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from support.live import cell, control, quick_client
from support.runs import SECONDS, Run, need, need_module, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(50)

PROGRAM = """
import os, signal, sys
from importlib import import_module

QtCore, QtWidgets = (import_module(os.environ["QT_API"] + "." + name) for name in
                     ("QtCore", "QtWidgets"))

def own_slot():
    raise LookupError("the program's own")

def fail_yourself():
    QtCore.QTimer.singleShot(0, own_slot)

def own_hook(kind, error, traceback):
    told.append(str(error))

told = []
app = QtWidgets.QApplication(sys.argv)
app.setQuitOnLastWindowClosed(False)
if os.environ["KERNEL"] == "own, and a hook":
    sys.excepthook = own_hook
if os.environ["KERNEL"].startswith("own"):
    import hostkernel
    hostkernel.start()
elif os.environ["KERNEL"] == "none":
    fail_yourself()
    QtCore.QTimer.singleShot(200, app.quit)
sys.exit((getattr(app, "exec", None) or app.exec_)())
"""

RAISES_LATER = """
import signal
def handler(*_):
    raise ValueError("late")
signal.signal(signal.SIGALRM, handler)
"""


class Bare(Run):
    """The program, which starts its kernel itself."""

    command = (sys.executable,)

    def __init__(self, folder: Path, binding: str, kernel: str = "own", **more: str) -> None:
        (folder / "program.py").write_text(PROGRAM)
        env = {"QT_QPA_PLATFORM": "offscreen", "QT_API": binding, "KERNEL": kernel}
        super().__init__(folder, "program.py", **env | more)

    def signal(self, number: int) -> None:
        """Send a signal, back once C has taken it: Python has not, while Qt sleeps."""
        self.process.send_signal(number)
        wait_for(lambda: not self._pending() & 1 << (number - 1), "the signal", pause=0.001)

    def _pending(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["ShdPnd"], 16) | int(fields["SigPnd"], 16)

    def close(self) -> None:
        self.process.kill()
        super().close()


@pytest.fixture(scope="module", params=["PySide6", "PyQt6", "PyQt5"])
def binding(request: pytest.FixtureRequest) -> str:
    need_module(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def program(binding: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """One for all tests of a binding that leave it running."""
    run = Bare(tmp_path_factory.mktemp("bare"), binding)
    yield run
    run.close()


@pytest.fixture
def client(program: Bare) -> BlockingKernelClient:
    return program.client()


def late(client: BlockingKernelClient, text: str) -> str:
    """What arrives after a cell, until ``text`` does."""
    seen = ""
    while text not in seen:
        message = client.get_iopub_msg(timeout=SECONDS)
        seen += message["content"].get("text", "")
    return seen


def test_ctrl_c_in_an_idle_program_changes_nothing(
    program: Bare, client: BlockingKernelClient
) -> None:
    run_cell(client, "1")
    program.signal(signal.SIGINT)
    assert run_cell(client, "6 * 7") == "42"
    assert run_cell(client, "import hostkernel; hostkernel.current().is_running") == "True"


def test_what_a_cells_signal_handler_raises_changes_nothing(
    program: Bare, client: BlockingKernelClient
) -> None:
    run_cell(client, RAISES_LATER)
    for _ in range(3):
        program.signal(signal.SIGALRM)
        assert run_cell(client, "6 * 7") == "42"


def test_a_cells_callback_that_fails_is_shown_and_the_program_goes_on(
    program: Bare, client: BlockingKernelClient, binding: str
) -> None:
    cells = f"from {binding}.QtCore import QTimer\ndef broken():\n    return 1 / 0\n"
    run_cell(client, f"{cells}QTimer.singleShot(50, broken)")
    seen = late(client, "ZeroDivisionError")
    assert "in broken" in seen
    run_cell(client, "QTimer.singleShot(50, lambda: {}['no such key'])")
    late(client, "KeyError: 'no such key'")
    assert "ZeroDivisionError" not in program.output
    assert program.process.poll() is None


def test_once_the_kernel_has_stopped_the_hook_is_the_programs(binding: str, tmp_path: Path) -> None:
    run = Bare(tmp_path, binding)
    try:
        client = run.client()
        run_cell(client, "1")
        assert run_cell(client, "1") == "1"
        run_cell(
            client,
            f"""
from {binding}.QtCore import QTimer
import hostkernel, sys
from __main__ import app
def look():
    print("default again:", sys.excepthook is sys.__excepthook__, file=sys.__stdout__, flush=True)
    app.exit(5)
QTimer.singleShot(1000, look)
hostkernel.stop()
""",
        )
        assert run.end() == 5
        assert "default again: True" in run.output
    finally:
        run.close()


def test_an_error_of_the_programs_own_slot_does_what_it_does_without_a_kernel(
    binding: str, tmp_path: Path
) -> None:
    outcomes = []
    for kernel in ("none", "own"):
        folder = tmp_path / kernel
        folder.mkdir()
        run = Bare(folder, binding, kernel)
        try:
            if kernel == "own":
                code = "from __main__ import QtCore, app, fail_yourself\nfail_yourself()"
                run.client().execute(f"{code}\nQtCore.QTimer.singleShot(200, app.quit)")
            status = run.end()
            outcomes.append((status, _traceback(run.output).replace(str(folder), "")))
        finally:
            run.close()
    assert outcomes[0] == outcomes[1]
    assert "the program's own" in outcomes[0][1]


def test_an_error_of_the_programs_own_slot_beside_a_cell_goes_to_the_programs_hook(
    binding: str, tmp_path: Path
) -> None:
    run = Bare(tmp_path, binding, "own, and a hook")
    try:
        client = run.client()
        code = "from __main__ import fail_yourself, told\nimport asyncio\nfail_yourself()"
        reply = cell(client, f"{code}\nwhile not told: await asyncio.sleep(0.01)\ntold")
        assert (reply.status, reply.text) == ("ok", """["the program's own"]""")
        assert run_cell(client, "told") == """["the program's own"]"""
    finally:
        run.close()


def _traceback(output: str) -> str:
    return output[output.index("Traceback") :].strip()


SHOW = """
import matplotlib
matplotlib.use("QtAgg")
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.show()
print("show has returned", flush=True)
"""
WAKEUP = """
import os, signal, socket, sys
from importlib import import_module
QtCore, QtWidgets = (import_module(os.environ["QT_API"] + "." + name) for name in
                     ("QtCore", "QtWidgets"))
app = QtWidgets.QApplication(sys.argv)
near, far = socket.socketpair()
near.setblocking(False)
old = signal.set_wakeup_fd(near.fileno())
app.setQuitOnLastWindowClosed(False)
app.exec()
print("still in force:", signal.set_wakeup_fd(-1) == near.fileno())
signal.set_wakeup_fd(old)
print("ended well")
"""


def _run(folder: Path, binding: str, script: str, *options: str, **more: str) -> Run:
    """A script under ``hostkernel run``."""
    (folder / "script.py").write_text(script)
    env = {"QT_API": binding, "QT_QPA_PLATFORM": "offscreen", "KERNEL": "run"}
    return Run(folder, "--host", "qt", *options, "script.py", **env | more)


def test_a_script_that_shows_a_plot_until_it_is_closed(
    binding: str, tmp_path: Path, display: str
) -> None:
    run = _run(tmp_path, binding, SHOW, DISPLAY=display)  # matplotlib looks for one
    try:
        client = run.client()
        assert run_cell(client, "import matplotlib.pyplot as plt; plt.get_fignums()") == "[1]"
        run_cell(client, "plt.close('all')")
        assert run.end() == 0, run.output
        assert "show has returned" in run.output
        assert "Traceback" not in run.output
    finally:
        run.close()


def test_a_script_keeps_its_own_wakeup_descriptor(binding: str, tmp_path: Path) -> None:
    run = _run(tmp_path, binding, WAKEUP)
    try:
        client = run.client()
        run_cell(client, "1")
        run_cell(client, "from __main__ import QtCore, app; QtCore.QTimer.singleShot(0, app.quit)")
        assert run.end() == 0, run.output
        assert "still in force: True" in run.output
        assert "ended well" in run.output
    finally:
        run.close()


TRIO = """
import trio, warnings
warnings.simplefilter("error")
async def main():
    await trio.sleep(0.01)
    return "slept"
trio.run(main)
"""


def test_trio_finds_no_descriptor_of_ours(binding: str, tmp_path: Path) -> None:
    run = _run(tmp_path, binding, PROGRAM)
    try:
        assert run_cell(run.client(), TRIO) == "'slept'"
        run.interrupt()
    finally:
        run.close()


EARLY = """
import os, sys, time
from importlib import import_module
QtWidgets = import_module(os.environ["QT_API"] + ".QtWidgets")
app = QtWidgets.QApplication(sys.argv)
while not os.path.exists("asked"):
    time.sleep(0.05)
print("the script ends", flush=True)
"""


def test_requests_that_wait_at_the_scripts_end_are_given_up_quietly(tmp_path: Path) -> None:
    need_module("PyQt5")
    run = _run(tmp_path, "PyQt5", EARLY)
    context: zmq.Context[Any] = zmq.Context()
    try:
        client = quick_client(run.file(), context)
        for _ in range(3):
            client.kernel_info()
            client.execute("1")

        def waits() -> bool:
            return bool(control(client, "hostkernel_request", action="status")["state"] == "busy")

        wait_for(waits, "requests that wait")
        client.stop_channels()
        (tmp_path / "asked").touch()
        assert run.end() == 0
        assert "the script ends" in run.output
        assert "Exception" not in run.output
    finally:
        run.close()
        context.term()


SYSTEM = "/usr/bin/python3"


@pytest.fixture(scope="module")
def pyside2() -> None:
    code = "import sys, PySide2.QtWidgets; assert sys.version_info >= (3, 11)"
    done = subprocess.run([SYSTEM, "-c", code], check=False, capture_output=True)
    need(done.returncode == 0, "PySide2 (apt-get install python3-pyside2.qtwidgets)")


@pytest.mark.usefixtures("pyside2")
def test_pyside2_of_the_systems_own_python(tmp_path: Path) -> None:
    run = _run(tmp_path, "PySide2", PROGRAM, f"--set=hosts.qt.command=['{SYSTEM}']")
    try:
        client = run.client()
        run_cell(client, "from PySide2.QtCore import QTimer")
        assert "PySide2" in run_cell(client, "from __main__ import app; type(app)")
        run_cell(client, "QTimer.singleShot(50, lambda: 1 / 0)")
        late(client, "ZeroDivisionError")
        run_cell(client, "QTimer.singleShot(0, lambda: app.exit(6))")
        run.end()
        assert run.files() == []
    finally:
        run.close()


@pytest.mark.usefixtures("pyside2")
def test_pyside2_goes_on_without_its_kernel(tmp_path: Path) -> None:
    run = _run(tmp_path, "PySide2", PROGRAM, f"--set=hosts.qt.command=['{SYSTEM}']")
    try:
        client = run.client()
        said = "from __main__ import QtCore; import pathlib; end = pathlib.Path('end')"
        look = "timer = QtCore.QTimer(); timer.timeout.connect(look); timer.start(20)"
        quits = "def look():\n    if end.exists(): __import__('__main__').app.exit(6)"
        run_cell(client, f"{said}\n{quits}\n{look}")
        run.hostkernel("stop")
        wait_for(lambda: not run.files(), "the end of the kernel")
        assert run.process.poll() is None
        (tmp_path / "end").touch()
        run.end()
        assert "it ended with status 6" in run.output
    finally:
        run.close()


class OfTheSystem(Bare):
    """The program in the system's own Python, which finds our packages."""

    command = (SYSTEM,)


@pytest.mark.usefixtures("pyside2")
def test_ctrl_c_in_an_idle_pyside2_program_changes_nothing(tmp_path: Path) -> None:
    run = OfTheSystem(tmp_path, "PySide2", PYTHONPATH=os.pathsep.join(sys.path))
    try:
        client = run.client()
        run_cell(client, "1")
        run.signal(signal.SIGINT)
        assert run_cell(client, "6 * 7") == "42"
        assert "PySide2" in run_cell(client, "from __main__ import app; type(app)")
    finally:
        run.close()
