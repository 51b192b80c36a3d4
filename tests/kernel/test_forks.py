"""A forked child of a cell's runs what it was forked for and ends; the host's are the host's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil
import pytest
from support.live import MODES, LiveHost, cell, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
    pytest.mark.slow(30),
]
BEGIN = "import asyncio, os, sys\n"
WAIT = "\nif pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
# The child's status by what it does; each is waited for by its parent.
CHILDREN = {
    "returns": ("pid = os.fork()\nif not pid: x = 1\nelse: x = 2" + WAIT, 0),
    "raises": ("pid = os.fork()\nif not pid: 1 / 0" + WAIT, 1),
    "raises in a function": ("def f(): return os.fork() or 1 / 0\npid = f()" + WAIT, 1),
    "exits": ("pid = os.fork()\nif not pid: sys.exit(3)" + WAIT, 3),
    "exits with a word": ("pid = os.fork()\nif not pid: sys.exit('why')" + WAIT, 1),
    "exits at once": ("pid = os.fork()\nif not pid: os._exit(4)" + WAIT, 4),
    "is interrupted": ("pid = os.fork()\nif not pid: raise KeyboardInterrupt" + WAIT, 1),
    "in a terminal": ("pid, descriptor = os.forkpty()\nif not pid: sys.exit(5)" + WAIT, 5),
    "a daemon": ("pid = os.fork()\nif not pid:\n    os.setsid(); os._exit(6)" + WAIT, 6),
    "awaits": (
        "await asyncio.sleep(0)\npid = os.fork()\nif not pid: await asyncio.sleep(0)" + WAIT,
        1,
    ),
    "in a magic": ("%%time\npid = os.fork()\nif not pid: sys.exit(7)" + WAIT, 7),
    "in a task": (
        """
async def fork():
    global pid
    pid = os.fork()
task = asyncio.create_task(fork())
while not task.done(): await asyncio.sleep(0.01)
"""
        + WAIT,
        0,
    ),
    "in a callback": (
        """
done = asyncio.Event()
def fork():
    global pid
    pid = os.fork()
    if not pid: raise ValueError
    done.set()
asyncio.get_running_loop().call_later(0.01, fork)
await done.wait()
"""
        + WAIT,
        1,
    ),
    "in a thread": (
        """
import threading
def fork():
    global pid
    pid = os.fork()
thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""
        + WAIT,
        0,
    ),
}
LIBRARIES = {
    "Process": """
import multiprocessing
context = multiprocessing.get_context("fork")
def put(queue): queue.put(42)
queue = context.SimpleQueue()
process = context.Process(target=put, args=(queue,))
process.start()
process.join()
queue.get(), process.exitcode
""",
    "ProcessPoolExecutor": """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    found = sum(pool.map(abs, range(-10, 0)))
found, 0
""",
}


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """The module's kernel in each of the four modes."""
    host = live_hosts(request.param)
    host.start()
    yield host
    assert psutil.Process(host.process.pid).children(recursive=True) == []
    host.drop_clients()
    assert host.stop() == []


@pytest.mark.parametrize(("code", "status"), CHILDREN.values(), ids=CHILDREN.keys())
def test_a_child_ends(running: LiveHost, code: str, status: int) -> None:
    client = running.client()
    begin = BEGIN if not code.startswith("%%") else ""
    value(client, BEGIN)
    reply = cell(client, begin + code)
    assert reply.status == "ok", reply
    assert value(client, "1 + 1") == "2"
    assert str(status) in reply.text.splitlines()
    ended = f"has come to the end of its cell and exits with status {status}"
    assert ended in running.output or "_exit" in code or "Thread" in code or "pty" in code
    running.drop_clients()


@pytest.mark.parametrize("code", LIBRARIES.values(), ids=LIBRARIES.keys())
def test_what_libraries_fork(running: LiveHost, code: str) -> None:
    client = running.client()
    expected = "(42, 0)" if "SimpleQueue" in code else "(55, 0)"
    assert value(client, code) == expected
    running.drop_clients()


def test_what_a_child_prints_goes_to_the_client_and_how_it_ends_to_the_console(
    running: LiveHost,
) -> None:
    client = running.client()
    code = BEGIN + "pid = os.fork()\nif not pid:\n    print('said by the child')\n    1 / 0" + WAIT
    assert value(client, code) == "said by the child\n1\n"
    assert "said by the child" not in running.output
    assert "ZeroDivisionError: division by zero" in running.output
    running.drop_clients()


def test_the_hosts_own_child_is_left_alone(running: LiveHost) -> None:
    if running.mode == "served":
        pytest.skip("its main thread belongs to the kernel")
    code = """
import os, sys, threading
def fork():
    pid = os.fork()
    if not pid:
        assert sys.gettrace() is None
        os._exit(8)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
fork()
"""
    assert running.do(code) == 8
