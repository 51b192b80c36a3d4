"""Pitfalls that no other module's tests hold, by their numbers in the index."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS, wait_for
from support.world import World, odd_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SAY = "print('started', flush=True)\n"

# Windows has no signals that are sent to a thread, and no sigaction. There is none here: what
# this leaves untried is that its time.sleep ends early.
AS_ON_WINDOWS = """
import signal
from hostkernel.kernel.process import sigaction as signals
del signal.pthread_kill, signal.siginterrupt
signals.action = lambda number: b""
"""


def test_p13_interrupt_without_signals_to_threads(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do(AS_ON_WINDOWS)
    read = "[repr(signal.getsignal(n)) for n in signal.valid_signals()]"
    before = host.do(read)
    host.start()
    client = host.client()
    for code in ("while True: pass", "import time\nwhile True: time.sleep(0.01)", "input()"):
        request = client.execute(SAY + code, allow_stdin=True)
        if code == "input()":
            client.get_stdin_msg(timeout=SECONDS)
        else:
            wait_for(lambda: host.beside("manager._embedding.interrupter.is_armed"), "a cell")
        control(client, "interrupt_request")
        assert finish(client, request).ename == "KeyboardInterrupt"
    request = busy(client, SAY + "import asyncio; await asyncio.sleep(100)")
    control(client, "interrupt_request")
    assert finish(client, request).status == "error"
    control(client, "interrupt_request")
    assert value(client, "1 + 1") == "2"
    host.drop_clients()
    assert host.stop() == []
    assert host.do(read) == before


def said(host: LiveHost, since: int) -> str:
    """What is new in the host's console; asyncio in Python's development mode reports slowness."""
    lines = host.output[since:].splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Executing <"))


def test_p26_a_kernel_comes_and_goes_quietly(each_host: LiveHost) -> None:
    """Off the main thread too, where signals cannot be handled."""
    host = each_host
    since = len(host.output)
    host.start()
    client = host.client()
    value(client, "1 + 1")
    control(client, "interrupt_request")
    control(client, "shutdown_request", restart=True)
    wait_for(lambda: cell(client, "1").content["execution_count"] == 1, "a fresh kernel")
    host.drop_clients()
    assert host.stop() == []
    assert said(host, since) == ""


def test_p27_no_event_loop_is_the_current_one(each_host: LiveHost) -> None:
    """So it is in each thread of Python 3.14 until somebody sets one."""
    host = each_host
    if host.mode == "shared":
        pytest.skip("there one runs")
    host.do("import asyncio; asyncio.set_event_loop(None)")
    assert host.raises("asyncio.get_event_loop()").name == "RuntimeError"
    for _ in range(2):
        host.start()
        awaits = "import asyncio; await asyncio.sleep(0.01, 'awaited')"
        assert value(host.client(), awaits) == "'awaited'"
        host.drop_clients()
        assert host.stop() == []
        assert host.raises("asyncio.get_event_loop()").name == "RuntimeError"


PENDING = """
import asyncio
async def forever():
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await asyncio.sleep(0)
async def numbers():
    while True:
        yield 1
async def count():
    async for number in numbers():
        await asyncio.sleep(0.001)
tasks = [asyncio.create_task(work()) for work in (forever, count, forever)]
tasks.append(asyncio.create_task(asyncio.sleep(1000)))
await asyncio.sleep(0.01)
"""


def test_p38_tasks_that_are_pending_at_the_end(each_host: LiveHost) -> None:
    host = each_host
    since = len(host.output)
    host.start()
    client = host.client()
    value(client, PENDING)
    if host.mode == "shared":  # on the host's own loop they are the host's
        value(client, "[task.cancel() for task in tasks]; await asyncio.wait(tasks)")
    host.drop_clients()
    began = time.monotonic()
    assert host.stop() == []
    assert time.monotonic() - began < 10
    host.beside("import gc; gc.collect()")
    host.post("None")
    assert said(host, since) == ""


def test_p40_no_key_in_the_log(each_host: LiveHost) -> None:
    """However much is said."""
    host = each_host
    since = len(host.output)
    host.do(
        """
import logging
handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
logging.getLogger().addHandler(handler)
"""
    )
    host.start("kernel={'log_level': 'debug'}")
    client = host.client()
    key = json.loads(host.file().read_text())["key"]
    cell(client, "1 / 0")
    control(client, "interrupt_request")
    control(client, "shutdown_request", restart=True)
    wait_for(lambda: cell(client, "1").content["execution_count"] == 1, "a fresh kernel")
    client.shell_channel.socket.send_multipart([b"<IDS|MSG>", b"no signature", b"{}"])
    assert value(client, "1 + 1") == "2"
    host.drop_clients()
    host.stop()
    host.do("logging.getLogger().removeHandler(handler)")
    assert "DEBUG" in host.output[since:]
    assert key not in host.output


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A home of its own, this process's too."""
    world = World(tmp_path)
    for name, found in world.env.items():
        monkeypatch.setenv(name, found)
    yield world
    world.close()


def test_p41_an_interrupt_passes_the_launcher_by(world: World) -> None:
    """A host with a process of its own, and whoever started it and waits, outlive it."""
    assert world.run("kernelspec", "install", *odd_options()).returncode == 0
    manager, client = start_new_kernel(kernel_name="hostkernel-odd")
    try:
        pid = value(client, "import os; os.getpid()")
        before = {process.pid for process in psutil.Process().children(recursive=True)}
        for code in ("while True: pass", "import time; time.sleep(100)"):
            request = busy(client, SAY + code)
            manager.interrupt_kernel()
            assert finish(client, request).ename == "KeyboardInterrupt"
        assert value(client, "import os; os.getpid()") == pid
        assert {process.pid for process in psutil.Process().children(recursive=True)} == before
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.cleanup_resources()
    wait_for(lambda: not psutil.pid_exists(int(pid)), "the end of the host")
