"""A host that does what it is told: code arrives on a socket, to be run in one of its threads.

Run by path: ``python live_program.py MODE SOCKET``. The code sees what this module defines.
"""

from __future__ import annotations

import ast
import asyncio
import ctypes
import json
import queue
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from hostkernel.config.models import Settings
from hostkernel.host import Host, HostLoop, PostLoop, Wakes
from hostkernel.kernel.manager import HostKernelManager
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

MODE, SOCKET = sys.argv[1:]
posted: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
beside: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
quits: list[str] = []
counts = {"turns": 0, "cut short": 0}
tests = socket.socket(socket.AF_UNIX)
tests.connect(SOCKET)
answers = tests.makefile("w")
posting: Callable[[Callable[[], object] | None], object] = posted.put


def post(function: Callable[[], object] | None) -> None:
    """Have the main loop call a function, or end; from any thread."""
    posting(function)


class SleepyLoop(PostLoop):
    """The main thread sleeps in C between turns, and only a signal ends that early."""

    wakes = Wakes.BY_SIGNAL


LOOPS = {
    "pumped": PostLoop,
    "sleepy": SleepyLoop,
    "invokeMethod": PostLoop,
    "singleShot": PostLoop,
}


class LiveHost(Host):
    name = "live"

    def loop(self) -> HostLoop | None:
        return LOOPS[MODE](post) if MODE in LOOPS else None

    def quit(self) -> None:
        quits.append(threading.current_thread().name)


def make(
    host: type[Host] = LiveHost, plugin: object = None, file: Any = None, **tables: Any
) -> HostKernelManager:
    """A manager of this host; ``tables`` are settings."""
    plugins = Plugins()
    if plugin is not None:
        plugins.register("tests", plugin)
    adapter = host(host.settings_model())
    return HostKernelManager(adapter, Settings(**tables), plugins, connection_file=file)


# What the tests' code sees. Not this module: the tests watch that.
world = {**globals(), "manager": make()}


def evaluate(code: str) -> Any:
    """Run statements; the value of the last if that is an expression."""
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<test>", "exec"), world)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), world)


def job(number: int, code: str) -> Callable[[], None]:
    """Run it and answer."""

    def run() -> None:
        answer: dict[str, Any] = {"number": number}
        try:
            answer["value"] = evaluate(code)
        except BaseException as error:
            answer |= {"error": type(error).__name__, "text": str(error)}
            answer["traceback"] = traceback.format_exc()
        answers.write(json.dumps(answer, default=repr) + "\n")
        answers.flush()

    return run


def listen() -> None:
    """Take the tests' orders until they hang up."""
    for line in tests.makefile():
        order = json.loads(line)
        put = post if order["where"] == "main" else beside.put
        put(job(order["number"], order["code"]))
    post(None)
    beside.put(None)


def work_through(jobs: queue.SimpleQueue[Callable[[], object] | None]) -> None:
    while (function := jobs.get()) is not None:
        counts["turns"] += 1
        function()


def work_sleepily() -> None:
    libc = ctypes.CDLL(None)
    while True:
        counts["cut short"] += libc.usleep(500_000) != 0
        counts["turns"] += 1
        while not posted.empty():
            function = posted.get()
            if function is None:
                return
            function()


async def work_in_asyncio() -> None:
    global posting
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def post(function: Callable[[], object] | None) -> None:
        loop.call_soon_threadsafe(function or over.set)

    posting = post
    start_threads()
    while not over.is_set():
        counts["turns"] += 1
        await asyncio.sleep(0.01)


def work_in_qt() -> None:
    global posting
    from PySide6.QtCore import QCoreApplication, QMetaObject, QObject, Qt, QTimer, Slot

    class Receiver(QObject):
        @Slot()
        def receive(self) -> None:
            function = posted.get()
            assert function is not None
            function()

    app = QCoreApplication([])
    receiver = Receiver()

    def invoke(function: Callable[[], object] | None) -> None:
        posted.put(function or app.quit)
        QMetaObject.invokeMethod(receiver, "receive", Qt.ConnectionType.QueuedConnection)

    def single_shot(function: Callable[[], object] | None) -> None:
        QTimer.singleShot(0, receiver, function or app.quit)

    posting = invoke if MODE == "invokeMethod" else single_shot
    start_threads()
    app.exec()


def start_threads() -> None:
    threading.Thread(target=work_through, args=(beside,), name="beside", daemon=True).start()
    threading.Thread(target=listen, name="listen", daemon=True).start()


def main() -> None:
    if MODE == "shared":
        asyncio.run(work_in_asyncio())
        return
    if MODE in {"invokeMethod", "singleShot"}:
        work_in_qt()
        return
    start_threads()
    if MODE == "sleepy":
        work_sleepily()
    else:
        work_through(posted)


if __name__ == "__main__":
    main()
