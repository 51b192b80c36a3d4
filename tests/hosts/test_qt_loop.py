"""Qt's loop by itself: each test is a real program in each binding, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.runs import need_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow(50)

BINDINGS = ("PySide6", "PyQt6", "PyQt5")

PRELUDE = """
import gc, importlib, json, sys, threading
from hostkernel.host import HostSettings
from hostkernel_qt.adapter import QtHost
from hostkernel_qt.loop import QtLoop

BINDING = sys.argv[1]

def load():
    global QtCore
    QtCore = importlib.import_module(BINDING + ".QtCore")

def make_app():
    global app, QtWidgets
    if "app" in globals():
        return
    load()
    QtWidgets = importlib.import_module(BINDING + ".QtWidgets")
    app = QtWidgets.QApplication(sys.argv[:1])

def call_later(function, milliseconds=0):
    QtCore.QTimer.singleShot(milliseconds, function)

def turn(times=20):
    '''Run the program's loop until its own timer has fired so many times.'''
    left = [times]
    def count():
        left[0] -= 1
        if not left[0]:
            app.quit()
    timer = QtCore.QTimer()
    timer.timeout.connect(count)
    timer.start(1)
    app.exec()

def say(**facts):
    print(json.dumps(facts))

ticks = []
def tick():
    ticks.append(threading.current_thread() is threading.main_thread())
loop = QtLoop()
"""


@pytest.fixture(params=BINDINGS)
def binding(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    need_module(name)
    return name


@pytest.fixture
def run(binding: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a program that says what happened, in JSON; it must end well and quietly."""

    def run(program: str, **env: str) -> dict[str, Any]:
        file = tmp_path / "program.py"
        file.write_text(PRELUDE + program, encoding="utf-8")
        places = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
        tmp_path.chmod(0o700)
        result = subprocess.run(
            [sys.executable, "-W", "error", "-X", "faulthandler", file, binding],
            env=os.environ | places | {"QT_QPA_PLATFORM": "offscreen"} | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")
        facts: dict[str, Any] = json.loads(result.stdout)
        return facts

    return run


def test_every_wake_from_any_thread_is_followed_by_a_tick_on_the_main_thread(
    run: Callable[..., dict[str, Any]],
) -> None:
    facts = run("""
make_app()
asked, seen = [0] * 4, [0] * 4
ticked = threading.Condition()
def look():
    tick()
    with ticked:
        seen[:] = asked
        ticked.notify_all()
loop.start(look)

def ask(me):
    for number in range(1, 1001):
        with ticked:
            asked[me] = number
        loop.wake()
        with ticked:
            assert ticked.wait_for(lambda: seen[me] == number, timeout=20), number

threads = [threading.Thread(target=ask, args=(me,)) for me in range(4)]
def watch():
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    QtCore.QMetaObject.invokeMethod(app, "quit", QtCore.Qt.ConnectionType.QueuedConnection)
threading.Thread(target=watch).start()
app.exec()
say(seen=seen, count=len(ticks), on_main=all(ticks))
loop.stop()
""")
    assert facts["seen"] == [1000] * 4
    assert facts["on_main"]
    assert 1000 <= facts["count"] <= 4000


def test_nobody_calls_and_there_is_no_tick(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
make_app()
loop.start(tick)
turn()
at_rest = len(ticks)
for _ in range(10):
    loop.wake()
    turn()
say(at_rest=at_rest, after_ten_wakes=len(ticks))
loop.stop()
""")
    assert facts == {"at_rest": 0, "after_ten_wakes": 10}


@pytest.mark.parametrize("before", ["", "load()", "make_app()"])
def test_a_wake_before_the_loop_runs_is_not_lost(
    run: Callable[..., dict[str, Any]], before: str
) -> None:
    facts = run(f"""
{before}
loop.start(tick)
thread = threading.Thread(target=loop.wake)
thread.start()
thread.join()
make_app()
early = len(ticks)
turn()
loop.stop()
turn()
finders = [repr(finder) for finder in sys.meta_path if "hostkernel" in repr(finder)]
spec = QtCore.__spec__
loaders = [repr(loader) for loader in (spec.loader, QtCore.__loader__)]
say(early=early, ticks=ticks, finders=finders, loaders=loaders)
""")
    assert (facts["early"], facts["ticks"]) == (0, [True])
    assert facts["finders"] == []
    assert not any("hostkernel" in loader for loader in facts["loaders"])


def test_a_program_that_never_comes_to_qt(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
before = list(sys.meta_path)
loop.start(tick)
loop.wake()
loop.stop()
say(ticks=ticks, loaded=f"{BINDING}.QtCore" in sys.modules, same=sys.meta_path == before)
""")
    assert facts == {"ticks": [], "loaded": False, "same": True}


def test_a_binding_that_fails_to_import_is_not_the_one(
    run: Callable[..., dict[str, Any]], binding: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / ("PyQt5" if binding == "PySide6" else "PySide6")
    broken.mkdir(parents=True)
    (broken / "__init__.py").touch()
    (broken / "QtCore.py").write_text("raise ImportError('half installed')")
    facts = run(
        f"""
loop.start(tick)
loop.wake()
try:
    import {broken.name}.QtCore
except ImportError as error:
    message = str(error)
make_app()
turn()
loop.stop()
say(message=message, ticks=ticks)
""",
        PYTHONPATH=str(broken.parent),
    )
    assert facts == {"message": "half installed", "ticks": [True]}


def test_no_tick_comes_after_stop_and_nothing_stays(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
make_app()
def objects():
    gc.collect()
    return sum(isinstance(thing, QtCore.QObject) for thing in gc.get_objects())
counts = []
for cycle in range(10):
    loop = QtLoop()
    loop.start(tick)
    loop.wake()
    turn()
    loop.wake()
    loop.stop()
    loop.wake()
    turn()
    own = len(QtCore.QThread.currentThread().children())
    counts.append((len(ticks), objects(), len(app.children()), own))
say(counts=counts)
""")
    ticks, *others = zip(*facts["counts"], strict=True)
    assert ticks == tuple(range(1, 11))
    assert [len(set(counts)) for counts in others] == [1, 1, 1]


def test_stop_inside_a_tick(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
make_app()
def last():
    global loop
    tick()
    loop.wake()
    loop.stop()
    del loop
    gc.collect()
loop.start(last)
loop.wake()
turn()
say(ticks=ticks)
""")
    assert facts == {"ticks": [True]}


def test_a_kernel_that_always_wants_more_leaves_the_program_its_turns(
    run: Callable[..., dict[str, Any]],
) -> None:
    facts = run("""
make_app()
def again():
    tick()
    loop.wake()
loop.start(again)
loop.wake()
turn()
loop.stop()
say(many=len(ticks) > 20)
""")
    assert facts == {"many": True}


def test_a_nested_loop_is_woken_as_well(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
make_app()
order = []
def nest():
    if order:
        order.append("inner")
        dialog.reject()
        return
    order.append("outer")
    loop.wake()
    dialog.exec()
    order.append("dialog closed")
dialog = QtWidgets.QDialog()
loop.start(nest)
loop.wake()
turn()
loop.stop()
say(order=order)
""")
    assert facts["order"] == ["outer", "inner", "dialog closed"]


@pytest.mark.parametrize("end", ["loop.stop()", "import atexit; atexit.register(loop.stop)", ""])
def test_the_application_may_go_first(run: Callable[..., dict[str, Any]], end: str) -> None:
    facts = run(f"""
make_app()
loop.start(tick)
loop.wake()
turn()
del app
gc.collect()
loop.wake()
{end}
say(ticks=ticks)
""")
    assert facts == {"ticks": [True]}


def test_title_and_detection(run: Callable[..., dict[str, Any]]) -> None:
    facts = run("""
host = QtHost(HostSettings())
facts = [(QtHost.detect(), host.title(), host.veto())]
load()
facts.append((QtHost.detect(), host.title(), host.veto()))
make_app()
app.setApplicationName("program")
facts.append((QtHost.detect(), host.title(), host.veto()))
window = QtWidgets.QWidget()
window.setWindowTitle("Document")
window.show()
facts.append((QtHost.detect(), host.title(), host.veto()))
say(facts=facts)
""")
    assert facts["facts"] == [
        [False, None, None],
        [False, None, None],
        [True, "program", None],
        [True, "Document", None],
    ]


def test_an_application_on_another_thread_is_refused(
    run: Callable[..., dict[str, Any]],
) -> None:
    facts = run("""
make_app()
vetoes = []
thread = threading.Thread(target=lambda: vetoes.append(QtHost(HostSettings()).veto()))
thread.start()
thread.join()
say(vetoes=vetoes)
""")
    assert facts["vetoes"] == ["the QApplication lives on another thread; start the kernel there"]


@pytest.mark.parametrize("before", ["", "load()", "make_app()"])
def test_on_exit_hears_the_end_of_the_program_until_it_is_undone(
    run: Callable[..., dict[str, Any]], before: str
) -> None:
    facts = run(f"""
{before}
undo = QtHost(HostSettings()).on_exit(tick)
make_app()
call_later(app.quit)
app.exec()
heard = len(ticks)
undo()
turn()
say(heard=heard, after=len(ticks))
""")
    assert facts == {"heard": 1, "after": 1}


@pytest.mark.parametrize("before", ["", "load()", "make_app()"])
def test_on_exit_may_be_undone_before_the_loop_runs(
    run: Callable[..., dict[str, Any]], before: str
) -> None:
    facts = run(f"""
{before}
QtHost(HostSettings()).on_exit(tick)()
make_app()
turn()
say(heard=len(ticks))
""")
    assert facts == {"heard": 0}


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("", {"asked": 0, "left": "quit"}),
        ("window()", {"asked": 1, "left": "quit"}),
        ("window(); app.setQuitOnLastWindowClosed(False)", {"asked": 1, "left": "quit"}),
        ("window(refuse=True)", {"asked": 1, "left": "refused"}),
    ],
)
def test_quit_asks_every_window(
    run: Callable[..., dict[str, Any]], setup: str, expected: dict[str, Any]
) -> None:
    facts = run(f"""
make_app()
asked = []
class Window(QtWidgets.QWidget):
    def closeEvent(self, event):
        asked.append(self)
        if self.refuse:
            event.ignore()
            call_later(give_up, 50)
def window(refuse=False):
    global kept
    kept = Window()
    kept.refuse = refuse
    kept.show()
def give_up():
    global left
    left = "refused"
    app.exit(0)
left = "quit"
{setup}
call_later(lambda: QtHost(HostSettings()).quit())
app.exec()
say(asked=len(asked), left=left)
""")
    assert facts == expected
