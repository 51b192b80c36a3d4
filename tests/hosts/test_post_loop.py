"""PostLoop on real main loops: a queue of the program's own, and Qt's, posted to in two ways."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS, need_module, wait_for

from hostkernel.host import PostLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(20)

MODES = ("pumped", "invokeMethod", "singleShot")


@pytest.fixture(scope="module", params=MODES)
def host(request: pytest.FixtureRequest, live: Callable[..., LiveHost]) -> Iterator[LiveHost]:
    if request.param != "pumped":
        need_module("PySide6")
    host = live(request.param)
    host.do("from ledger import Ledger; before = Ledger()")
    yield host
    assert host.do("before.differences()") == []


@pytest.fixture
def running(host: LiveHost) -> Iterator[LiveHost]:
    """The host with a kernel, which leaves nothing."""
    host.start()
    yield host
    host.drop_clients()
    assert host.stop() == []


# By itself


def test_each_wake_from_any_thread_is_a_tick_on_the_main_thread(host: LiveHost) -> None:
    host.do(
        """
ticks = []
loop = PostLoop(post)
loop.start(lambda: ticks.append(threading.current_thread().name))
"""
    )
    host.beside(
        """
threads = [threading.Thread(target=lambda: [loop.wake() for _ in range(250)]) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
None
"""
    )
    wait_for(lambda: host.beside("len(ticks)") >= 1000, "a tick for each wake")
    assert host.do("loop.stop(); [len(ticks), *set(ticks)]") == [1000, "MainThread"]


def test_what_is_still_posted_at_the_stop_does_nothing(host: LiveHost) -> None:
    host.do(
        """
ticks, passed = [], []
loop = PostLoop(post)
loop.start(lambda: ticks.append(1))
loop.wake()
loop.stop()
loop.wake()
"""
    )
    assert host.do("ticks") == []


def test_what_is_posted_returns_nothing_and_raises_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """GLib calls again what returns a true value, and Qt's bindings may end at an error."""
    posted: list[Callable[[], None]] = []
    loop = PostLoop(posted.append)
    loop.start(lambda: 7.5)
    loop.wake()
    assert posted.pop()() is None

    def fail() -> float:
        raise KeyboardInterrupt

    loop.start(fail)
    loop.wake()
    with caplog.at_level(logging.WARNING, "hostkernel.kernel"):
        assert posted.pop()() is None
    assert "KeyboardInterrupt" in caplog.text


# With a kernel


def test_cells_run_on_the_main_thread_between_what_the_program_does(running: LiveHost) -> None:
    client = running.client()
    assert value(client, "import threading; threading.current_thread().name") == "'MainThread'"
    assert cell(client, "print('printed'); 1 / 0").ename == "ZeroDivisionError"
    request = busy(client, "import asyncio; print('started'); await asyncio.sleep(0.5); 'awaited'")
    assert running.do("'a turn'") == "a turn"
    assert finish(client, request).text.endswith("'awaited'")


@pytest.mark.parametrize("code", ["time.sleep(60)", "while True: pass", "await asyncio.sleep(60)"])
def test_a_cell_is_interrupted(running: LiveHost, code: str) -> None:
    client = running.client()
    request = busy(client, f"import asyncio, time\nprint('started', flush=True)\n{code}")
    began = time.monotonic()
    assert control(client, "interrupt_request")["status"] == "ok"
    assert finish(client, request).ename in {"KeyboardInterrupt", "CancelledError"}
    assert time.monotonic() - began < SECONDS / 2
    assert value(client, "1 + 1") == "2"


def test_a_restart_keeps_the_program(running: LiveHost) -> None:
    client = running.client()
    pid = value(client, "import os; old = 1; os.getpid()")
    assert control(client, "shutdown_request", restart=True)["status"] == "ok"
    assert cell(client, "old").ename == "NameError"
    assert value(client, "import os; os.getpid()") == pid


def test_a_stop_in_the_middle_of_requests_is_the_last_turn(host: LiveHost) -> None:
    host.do(
        """
class Counting(PostLoop):
    def start(self, tick):
        super().start(lambda: (turns.append(1), tick())[1])
class CountingHost(LiveHost):
    loop = lambda self: Counting(post)
turns = []
"""
    )
    for _ in range(5):
        host.start("CountingHost")
        client = host.client()
        assert value(client, "1 + 1") == "2"
        for number in range(50):
            client.execute(f"{number}")
        left, at_stop = host.do("left = list(manager.stop().left); [left, len(turns)]")
        # Behind all that was posted before the stop.
        assert (left, host.do("len(turns)")) == ([], at_stop)
        host.drop_clients()
