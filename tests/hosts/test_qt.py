"""The Qt adapter in real programs of each binding, driven as any Jupyter client would."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.live import cell, finish
from support.runs import SECONDS, Run, need_module, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(140)

EXAMPLE = Path(__file__).parents[2] / "examples" / "qt_window.py"

REACH = """
import asyncio
from __main__ import QtCore, QtGui, QtWidgets, app, window
"""

PROGRAM = """
import json, os, sys
from importlib import import_module
from pathlib import Path

QtCore, QtGui, QtWidgets = (
    import_module(os.environ["QT_API"] + "." + name) for name in ("QtCore", "QtGui", "QtWidgets")
)

def beat():
    global beats
    beats += 1
    order = Path("order")
    if order.exists():
        text = order.read_text()
        order.unlink()
        Path("answering").write_text(json.dumps(eval(text, globals())))
        Path("answering").rename("answer")

def main(before_exec=lambda: None):
    global app, pulse, beats
    beats = 0
    app = QtWidgets.QApplication(sys.argv)
    app.setQuitOnLastWindowClosed(False)
    pulse = QtCore.QTimer()
    pulse.timeout.connect(beat)
    pulse.start(10)
    before_exec()
    sys.exit(app.exec())
"""


class Program(Run):
    """A Qt program that evaluates in its own event loop what it is told."""

    def do(self, expression: str) -> Any:
        """What ``expression`` is in the program."""
        (self.folder / "asking").write_text(expression)
        (self.folder / "asking").rename(self.folder / "order")
        answer = self.folder / "answer"

        def look() -> bool:
            ended = self.process.poll() is not None
            there = answer.exists()
            assert there or not ended, self.output
            return there

        wait_for(look, f"an answer to {expression}")
        value = json.loads(answer.read_text())
        answer.unlink()
        return value


class PlainProgram(Program):
    """The same, started without hostkernel."""

    command = (sys.executable,)

    def close(self) -> None:
        self.process.terminate()
        super().close()


@pytest.fixture(scope="module", params=["PySide6", "PyQt6", "PyQt5"])
def binding(request: pytest.FixtureRequest) -> str:
    need_module(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def window(binding: str, start_run: Callable[..., Run]) -> Run:
    """The example, for all tests that leave it running."""
    env = {"QT_API": binding.lower(), "QT_QPA_PLATFORM": "offscreen"}
    return start_run("--host", "qt", str(EXAMPLE), **env)


@pytest.fixture
def start(binding: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Write a program and start it, with hostkernel or without."""
    with ExitStack() as programs:

        def start(kind: type[Program], end: str = "main()", *options: str) -> Program:
            file = tmp_path / "program.py"
            file.write_text(f"{PROGRAM}\n{end}\n", encoding="utf-8")
            run = () if kind is PlainProgram else ("--host", "qt", *options)
            args = (*run, str(file))
            program = kind(tmp_path, *args, QT_API=binding, QT_QPA_PLATFORM="offscreen")
            programs.callback(program.close)
            return program

        yield start


def test_a_cell_changes_a_live_widget_and_a_screenshot_shows_it(
    window: Run, tmp_path: Path
) -> None:
    shots = [tmp_path / "before.png", tmp_path / "after.png"]
    client = window.client()
    for shot, percent in zip(shots, (25, 80), strict=True):
        run_cell(client, f"{REACH}\nwindow.slider.setValue({percent})")
        assert run_cell(client, f"window.gauge.grab().save({str(shot)!r})") == "True"
    # The ring's left edge is three quarters of the way round.
    look = "QtGui.QImage({!r}).pixelColor({}, {}).name()"
    size = run_cell(
        client, f"image = QtGui.QImage({str(shots[0])!r}); image.width(), image.height()"
    )
    width, height = json.loads(size.replace("(", "[").replace(")", "]"))
    left = (width - min(width, height)) // 2 + 12
    before, after = (run_cell(client, look.format(str(shot), left, height // 2)) for shot in shots)
    assert after == "'#2a7de1'"
    assert before != after


def test_the_window_repaints_while_a_cell_awaits(window: Run) -> None:
    result = run_cell(
        window.client(),
        f"""{REACH}
class Painted(QtCore.QObject):
    count = 0
    def eventFilter(self, thing, event):
        self.count += event.type() == QtCore.QEvent.Type.Paint
        return False

painted = Painted()
window.gauge.installEventFilter(painted)
ticks = window.ticks
window.slider.setValue(50)
while not painted.count or window.ticks < ticks + 3:
    await asyncio.sleep(0.01)
window.gauge.removeEventFilter(painted)
"painted"
""",
    )
    assert result == "'painted'"


def test_the_window_goes_on_beside_a_cell_that_never_rests(window: Run) -> None:
    run_cell(
        window.client(),
        f"""{REACH}
ticks = window.ticks
while window.ticks < ticks + 3:
    await asyncio.sleep(0)
""",
    )


def test_cells_run_on_the_applications_thread(window: Run) -> None:
    cell = f"{REACH}\nQtCore.QThread.currentThread() == app.thread()"
    assert run_cell(window.client(), cell) == "True"


def test_a_dialog_may_run_its_own_loop_inside_a_cell(window: Run) -> None:
    client = window.client()
    cell = f"""{REACH}
dialog = QtWidgets.QDialog(window)
QtCore.QTimer.singleShot(0, dialog.accept)
int(dialog.exec())
"""
    assert run_cell(client, cell) == "1"
    assert run_cell(client, "dialog.isVisible()") == "False"


def test_cells_run_while_the_program_shows_a_modal_dialog(window: Run) -> None:
    client = window.client()
    run_cell(
        client,
        f"""{REACH}
results = []
dialog = QtWidgets.QDialog(window)
QtCore.QTimer.singleShot(0, lambda: results.append(int(dialog.exec())))
while not dialog.isVisible():
    await asyncio.sleep(0.01)
""",
    )
    assert run_cell(client, "app.activeModalWidget() == dialog, results") == "(True, [])"
    run_cell(client, "dialog.accept()\nwhile not results:\n    await asyncio.sleep(0.01)")
    assert run_cell(client, "results") == "[1]"


def test_what_cells_define_can_be_pickled(window: Run) -> None:
    cell = "import pickle\nclass Mine: pass\npickle.loads(pickle.dumps(Mine)) is Mine"
    assert run_cell(window.client(), cell) == "True"


@pytest.mark.parametrize("code", ["import time; time.sleep(100)", "while True: pass"])
def test_a_cell_is_interrupted(window: Run, code: str) -> None:
    client = window.client()
    request = client.execute(f"print('running')\n{code}")
    while client.get_iopub_msg(timeout=SECONDS)["msg_type"] != "stream":
        pass
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert run_cell(client, f"{REACH}\nwindow.isVisible()") == "True"


def test_a_widget_that_is_deleted_raises(window: Run) -> None:
    client = window.client()
    delete = "label = QtWidgets.QLabel('x', window)\nlabel.deleteLater()\nended = []"
    listen = "label.destroyed.connect(lambda *_: ended.append(1))"
    run_cell(client, f"{REACH}\n{delete}\n{listen}\nwhile not ended: await asyncio.sleep(0.01)")
    reply = cell(client, "label.text()")
    assert (reply.ename, "deleted" in reply.content["evalue"]) == ("RuntimeError", True)
    cell(client, "label")  # whose repr may raise, too
    assert run_cell(client, "window.isVisible()") == "True"


def test_exec_in_a_cell_returns_at_once(window: Run) -> None:
    """Qt says that the loop runs already. So it does without a kernel."""
    client = window.client()
    assert run_cell(client, f"{REACH}\napp.exec()") == "-1"
    assert run_cell(client, "window.isVisible()") == "True"


THREAD = """
class Worker(QtCore.QThread):
    def run(self):
        work()
worker = Worker()
worker.start()
"""
POOL = """
class Task(QtCore.QRunnable):
    def run(self):
        work()
QtCore.QThreadPool.globalInstance().start(Task())
"""


@pytest.mark.parametrize("start", [THREAD, POOL], ids=["QThread", "QRunnable"])
def test_what_a_thread_of_qts_prints(window: Run, tmp_path: Path, start: str) -> None:
    client, before = window.client(), len(window.output)
    code = f"""{REACH}
import os, threading, time
begun, ended = threading.Event(), threading.Event()
def work():
    print("within")
    begun.set()
    while not os.path.exists({str(tmp_path / "go")!r}): time.sleep(0.01)
    print("behind")
    ended.set()
{start}
begun.wait(20)
"""
    request = client.execute(code)
    assert finish(client, request).text == "within\nTrue"
    (tmp_path / "go").touch()
    seen = ""
    while "behind" not in seen:
        message = client.get_iopub_msg(timeout=SECONDS)
        assert message["parent_header"]["msg_id"] == request
        seen += message["content"].get("text", "")
    assert run_cell(client, "ended.wait(20)") == "True"
    assert "within" not in window.output[before:]
    assert "behind" not in window.output[before:]


def test_gui_magic_names_the_loop_that_runs_anyway(window: Run) -> None:
    assert run_cell(window.client(), "%gui qt\n1") == "1"


def test_it_is_listed_with_its_title(window: Run) -> None:
    window.client()

    def listed() -> bool:
        [kernel] = json.loads(window.hostkernel("list", "--json"))
        return (kernel["host"], kernel["title"]) == ("qt", "A Qt window")

    wait_for(listed, "the title of the window")


@pytest.mark.parametrize(("end", "status"), [("app.exit(7)", 7), ("window.close()", 0)])
def test_the_programs_end_is_the_kernels_end(
    binding: str, start_run: Callable[..., Run], end: str, status: int
) -> None:
    env = {"QT_API": binding.lower(), "QT_QPA_PLATFORM": "offscreen"}
    run = start_run("--host", "qt", str(EXAMPLE), **env)
    client = run.client()
    client.execute(f"{REACH}\nQtCore.QTimer.singleShot(0, lambda: {end})")
    assert run.end() == status, run.output
    assert run.files() == []
    assert "Traceback" not in run.output


def test_quit_in_a_cell_ends_the_program(binding: str, start_run: Callable[..., Run]) -> None:
    env = {"QT_API": binding.lower(), "QT_QPA_PLATFORM": "offscreen"}
    run = start_run("--host", "qt", str(EXAMPLE), **env)
    run.client().execute(f"{REACH}\napp.quit()")
    assert run.end() == 0, run.output
    assert run.files() == []
    assert "Traceback" not in run.output


def test_ctrl_c_ends_kernel_and_program(binding: str, start_run: Callable[..., Run]) -> None:
    env = {"QT_API": binding.lower(), "QT_QPA_PLATFORM": "offscreen"}
    run = start_run("--host", "qt", str(EXAMPLE), **env)
    run.client()
    run.interrupt()
    assert run.files() == []
    assert "Traceback" not in run.output


def test_the_program_goes_on_without_its_kernel(start: Callable[..., Program]) -> None:
    run = start(Program)
    run.client()
    run.hostkernel("stop")
    wait_for(lambda: not run.files(), "the end of the kernel")
    assert run.do("app.objectName()") == ""
    beats = run.do("beats")
    wait_for(lambda: run.do("beats") > beats, "the program's own timer")
    run.do("QtCore.QTimer.singleShot(0, lambda: app.exit(5))")
    assert run.end() == 5


STOP_AND_CTRL_C = """
import os, signal, hostkernel
shell = get_ipython()
own = shell.atexit_operations
def in_the_midst():
    os.kill(os.getpid(), signal.SIGINT)
    own()
shell.atexit_operations = in_the_midst
hostkernel.stop()
"""


def test_ctrl_c_while_the_kernel_stops(start: Callable[..., Program]) -> None:
    run = start(Program)
    run.client().execute(STOP_AND_CTRL_C)
    assert run.end() == 0
    assert "Traceback" not in run.output


def test_a_client_may_end_the_program_where_the_settings_say_so(
    start: Callable[..., Program],
) -> None:
    asked = """
class Window(QtWidgets.QWidget):
    def closeEvent(self, event):
        print("asked to close", flush=True)

def show():
    global window
    window = Window()
    window.show()

main(show)
"""
    run = start(Program, asked, "--set", "kernel.on_shutdown=exit-host")
    run.client().shutdown()
    assert run.end() == 0
    assert "asked to close" in run.output
    assert run.files() == []


def test_a_program_may_run_its_loop_twice(start: Callable[..., Program]) -> None:
    twice = """
app = QtWidgets.QApplication(sys.argv)
QtCore.QTimer.singleShot(0, app.quit)
app.exec()
import hostkernel
print("kernel of the first loop:", hostkernel.current(), flush=True)
app.shutdown() if hasattr(app, "shutdown") else None
del app
main(hostkernel.start)
"""
    run = start(Program, twice)
    wait_for(lambda: "first loop: None" in run.output, "the end of the first loop")
    assert run_cell(run.client(), "from __main__ import beats; beats >= 0") == "True"
    run.do("QtCore.QTimer.singleShot(0, app.quit)")
    assert run.end() == 0


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("print('no Qt at all')", 0, "no Qt at all"),
        ("raise SystemExit(4)", 4, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
    ],
)
def test_the_scripts_end_is_the_kernels_end(
    start: Callable[..., Program], script: str, status: int, said: str
) -> None:
    run = start(Program, script)
    assert run.end() == status
    assert said in run.output
    assert run.files() == []


def test_start_just_before_exec(start: Callable[..., Program]) -> None:
    run = start(PlainProgram, "import hostkernel; main(hostkernel.start)")
    assert run_cell(run.client(), "6 * 7") == "42"


def test_start_and_stop_ten_times_in_a_running_program(start: Callable[..., Program]) -> None:
    run = start(PlainProgram)
    timers = "len(app.findChildren(QtCore.QObject)), len(__import__('sys').meta_path)"
    seen = []
    for number in range(10):
        run.do("__import__('hostkernel').start() and None")
        assert run_cell(run.client(), f"{number}") == str(number)
        run.do("__import__('hostkernel').stop() and None")
        assert run.files() == []
        seen.append(run.do(timers))
    assert len({tuple(counts) for counts in seen}) == 1
    beats = run.do("beats")
    wait_for(lambda: run.do("beats") > beats, "the program's own timer")


def test_the_end_of_a_program_that_started_a_kernel(start: Callable[..., Program]) -> None:
    run = start(PlainProgram)
    run.do("__import__('hostkernel').start() and None")
    run_cell(run.client(), "1")
    run.do("QtCore.QTimer.singleShot(0, lambda: app.exit(3))")
    assert run.end() == 3
    assert run.files() == []
    assert "Traceback" not in run.output


@pytest.mark.parametrize(
    ("args", "message"),
    [((), "hostkernel run --host qt SCRIPT.py"), (("missing.py",), "missing.py")],
)
def test_a_script_is_needed(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    run = Run(tmp_path, "--host", "qt", *args)
    try:
        assert run.end() != 0
        assert message in run.output
        assert "Traceback" not in run.output
    finally:
        run.close()
