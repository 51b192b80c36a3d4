"""Clients that know nothing of hostkernel, on a kernel that runs: by its file's name alone."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.notebooks import Server
from support.runs import need, need_module
from support.terminal import Terminal
from support.world import SECONDS, World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow(20)

PRINT = "import os; print('in', os.getpid(), len([1, 2]))"
QT = """
import sys
from qtconsole.qtconsoleapp import JupyterQtConsoleApp
from qtpy.QtCore import QTimer

app = JupyterQtConsoleApp()
app.initialize(["--existing", sys.argv[1], "--no-confirm-exit"])
console = app.widget

def look():
    text = console._control.toPlainText()
    if "In [" in text and "executed" not in sys.modules:
        sys.modules["executed"] = True
        console.execute(sys.argv[2])
    if "42 there" in text:
        print("answered", flush=True)
        app.app.quit()

timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
app.start()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home in which one kernel runs."""
    world = World(tmp_path_factory.mktemp("external"))
    world.detach()
    yield world
    world.close()


@pytest.fixture
def name(world: World) -> str:
    """The kernel's file without its folder, as ``run`` shows it."""
    [kernel] = world.kernels()
    return Path(kernel["connection_file"]).name


def is_unharmed(world: World) -> bool:
    return world.exec("print('alive')") == "alive"


def test_jupyter_run(world: World, name: str) -> None:
    (world.folder / "script.py").write_text("print(6 * 7)\nkept = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "run", "--existing", name, "script.py"],
        env=world.env,
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert world.exec("print(kept)") == "1"


@pytest.mark.parametrize("command", ["jupyter console", "hostkernel console"])
def test_a_console(world: World, name: str, command: str) -> None:
    [kernel] = world.kernels()
    if command == "jupyter console":
        args = ("console", "--existing", name)
        terminal = Terminal(world, *args, module="jupyter")
    else:
        terminal = Terminal(world, "console", kernel["id"][:8])
    try:
        terminal.until("In [")
        terminal.type(f"{PRINT}\r")
        terminal.until(f"in {kernel['pid']} 2")
        terminal.type("exit\r")
        assert terminal.process.wait(SECONDS) == 0
    finally:
        terminal.close()
    assert is_unharmed(world)


def test_qtconsole(world: World, name: str) -> None:
    need(importlib.util.find_spec("qtconsole"), "qtconsole")
    need_module("PySide6")
    (world.folder / "console.py").write_text(QT)
    env = {"QT_QPA_PLATFORM": "offscreen", "QT_API": "pyside6"}
    code = "print(6 * 7, 'there')"
    console = world.start(name, code, python=("-W", "ignore", "console.py"), **env)
    assert console.end() == 0, console.stderr
    assert "answered" in console.stdout
    assert is_unharmed(world)


def test_a_server_that_allows_external_kernels(world: World, name: str) -> None:
    [kernel] = world.kernels()
    where = f"--ServerApp.external_connection_dir={world.runtime}"
    server = Server(world, "--ServerApp.allow_external_kernels=True", where)
    try:
        [(kernel_id, spec)] = wait_for(server.kernels, "the kernel in the server's list").items()
        assert spec == "hostkernel-python"
        notebook = server.open(kernel_id)
        assert notebook.result("import os; os.getpid()") == str(kernel["pid"])
    finally:
        server.end()
    assert is_unharmed(world)
