"""An interrupt in a Qt program: it reaches the cell, never the program's own slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import busy, control, finish
from support.runs import Run, need_module, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(10)

BINDINGS = ("PySide6", "PyQt6", "PyQt5")

# The program's own module. A cell may import it, too, and call what is in it.
OWN = """
import importlib, time
BINDING = {binding!r}
QtCore = importlib.import_module(BINDING + ".QtCore")
QtWidgets = importlib.import_module(BINDING + ".QtWidgets")
Signal = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
begun = ended = 0

class Emitter(QtCore.QObject):
    slow = Signal()
    endless = Signal()

def beat():
    global begun, ended
    begun += 1
    time.sleep(0.002)
    ended += 1

def slow():
    global begun, ended
    begun += 1
    for _ in range(20):
        time.sleep(0.01)
    ended += 1

def endless():
    while True:
        time.sleep(0.01)

def execute(it):
    return getattr(it, "exec", None) or it.exec_

emitter = Emitter()
emitter.slow.connect(slow)
emitter.endless.connect(endless)
"""
PROGRAM = """
import sys
import own
app = own.QtWidgets.QApplication(sys.argv)
window = own.QtWidgets.QLabel("a window")
window.show()
pulse = own.QtCore.QTimer()
pulse.timeout.connect(own.beat)
pulse.start(5)
sys.exit(own.execute(app)())
"""
BEGIN = """
import own, time
from own import QtCore, QtWidgets, execute
"""
SAY = "print('started', flush=True)\n"
NESTED = {
    "dialog": SAY + "dialog = QtWidgets.QDialog()\nexecute(dialog)()",
    "dialog in a function": """
def ask():
    dialog = QtWidgets.QDialog()
    execute(dialog)()
print("started", flush=True)
ask()
""",
    "message box": SAY + "QtWidgets.QMessageBox.information(None, 'title', 'text')",
    "menu": SAY
    + "menu = QtWidgets.QMenu()\nmenu.addAction('one')\nexecute(menu)(own.QtCore.QPoint())",
    "loop": SAY + "loop = QtCore.QEventLoop()\nexecute(loop)()",
    "with a slot of the cell's own": """
def mine():
    print("started", flush=True)
    time.sleep(0.05)
timer = QtCore.QTimer()
timer.timeout.connect(mine)
timer.start(0)
dialog = QtWidgets.QDialog()
try:
    execute(dialog)()
finally:
    timer.stop()
""",
}


@pytest.fixture(scope="module", params=BINDINGS)
def program(
    request: pytest.FixtureRequest,
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """A program in each binding."""
    binding = str(request.param)
    need_module(binding)
    folder = tmp_path_factory.mktemp("program")
    (folder / "own.py").write_text(OWN.format(binding=binding))
    (folder / "main.py").write_text(PROGRAM)
    offscreen = "--set=hosts.qt.env={QT_QPA_PLATFORM = 'offscreen'}"
    return start_run("--host", "qt", offscreen, str(folder / "main.py"))


@pytest.fixture(scope="module")
def client(program: Run) -> BlockingKernelClient:
    client = program.client()
    run_cell(client, BEGIN)
    return client


def interrupted(client: BlockingKernelClient, code: str) -> str:
    """Run a cell and interrupt it; its error."""
    request = busy(client, code)
    control(client, "interrupt_request")
    return str(finish(client, request).ename)


@pytest.fixture(autouse=True)
def slots_end_as_they_began(client: BlockingKernelClient) -> object:
    yield
    assert run_cell(client, "own.begun - own.ended") == "0"
    assert run_cell(client, "QtWidgets.QApplication.activeModalWidget() is None") == "True"


@pytest.mark.parametrize("code", NESTED.values(), ids=NESTED.keys())
def test_what_the_cell_has_opened_is_closed(client: BlockingKernelClient, code: str) -> None:
    for _ in range(3):
        assert interrupted(client, code) == "KeyboardInterrupt"


def test_a_slot_of_the_programs_ends_first(client: BlockingKernelClient) -> None:
    code = f"number = 0\n{SAY}for number in range(300): own.emitter.slow.emit()"
    assert interrupted(client, code) == "KeyboardInterrupt"
    assert int(run_cell(client, "number")) < 100


def test_a_slot_of_the_programs_that_does_not_end(client: BlockingKernelClient) -> None:
    """It gets a second; nobody has to ask twice."""
    assert interrupted(client, SAY + "while True: own.emitter.endless.emit()") == (
        "KeyboardInterrupt"
    )


def test_a_slot_of_the_cells(client: BlockingKernelClient) -> None:
    code = """
emitter, done = own.Emitter(), 0
def mine():
    global done
    done += 1
    print("started", flush=True)
    time.sleep(0.05)
emitter.slow.connect(mine)
for _ in range(600): emitter.slow.emit()
"""
    assert interrupted(client, code) == "KeyboardInterrupt"
    assert int(run_cell(client, "done")) < 100


def test_the_programs_own_dialog_stays(client: BlockingKernelClient) -> None:
    run_cell(client, "theirs = QtWidgets.QDialog()")
    run_cell(client, "QtCore.QTimer.singleShot(0, execute(theirs))")
    code = SAY + "while True: time.sleep(0.01)"
    assert interrupted(client, code) == "KeyboardInterrupt"
    assert run_cell(client, "theirs.isVisible()") == "True"
    run_cell(client, "theirs.reject()")
