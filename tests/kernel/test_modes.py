"""The four ways to drive the kernel, in real programs, from clients in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = """
CELLS = [
    "21 * 2",
    "print('printed')",
    "import asyncio; await asyncio.sleep(0.05); 'awaited'",
    "import threading; threading.current_thread().name",
    "1 / 0",
]
"""
SEEN = [
    ["ok", None, "42"],
    ["ok", None, "printed\n"],
    ["ok", None, "'awaited'"],
    ["ok", None, "'MainThread'"],
    ["error", "ZeroDivisionError", ""],
]


def test_ten_times_in_an_asyncio_program(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        CELLS
        + """
async def main():
    beats = 0
    async def beat():
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.001)
    heart = asyncio.create_task(beat())
    loop = asyncio.get_running_loop()
    seen, modes, between = [], set(), []
    for _ in range(10):
        kernel = hostkernel.start()
        modes.add(kernel.mode)
        client = begin(kernel, *CELLS)
        while client.poll() is None:
            await asyncio.sleep(0.005)
        seen.append(finish(client))
        report = kernel.stop()
        before = beats
        await asyncio.sleep(0.02)
        between.append(beats > before and asyncio.get_running_loop() is loop)
    heart.cancel()
    tell(seen=seen, modes=list(modes), between=between, left=list(report.left),
         threads=[thread.name for thread in threading.enumerate()])

asyncio.run(main())
"""
    )
    assert facts["seen"] == [SEEN] * 10
    assert facts["modes"] == ["shared"]
    assert facts["between"] == [True] * 10
    assert facts["left"] == []
    assert facts["threads"] == ["MainThread"]


def test_ten_times_in_a_threaded_program(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        CELLS
        + """
jobs, done = queue.Queue(), []
def work():
    while (job := jobs.get()) is not None:
        done.append(job)
worker = threading.Thread(target=work, name="worker")
worker.start()
seen, modes = [], set()
for number in range(10):
    kernel = hostkernel.start()
    modes.add(kernel.mode)
    client = begin(kernel, *CELLS)
    while client.poll() is None:   # the main thread is busy with the program's own work
        jobs.put(number)
        time.sleep(0.005)
    seen.append(finish(client))
    kernel.stop()
names = [thread.name for thread in threading.enumerate()]
jobs.put(None)
worker.join()
tell(seen=seen, modes=list(modes), threads=names, worked=len(set(done)))
"""
    )
    in_thread = [["ok", None, "'hostkernel'"] if row[2] == "'MainThread'" else row for row in SEEN]
    assert facts["seen"] == [in_thread] * 10
    assert facts["modes"] == ["thread"]
    assert facts["threads"] == ["MainThread", "worker"]
    assert facts["worked"] == 10


def test_ten_times_served(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        CELLS
        + """
seen = []
def use_it():
    for _ in range(10):
        while (kernel := hostkernel.current()) is None or not kernel.is_running:
            time.sleep(0.001)
        seen.append(drive(kernel, *CELLS))
        kernel.stop()
user = threading.Thread(target=use_it)
user.start()
for _ in range(10):
    hostkernel.serve()
user.join()
tell(seen=seen, threads=[thread.name for thread in threading.enumerate()])
"""
    )
    assert facts["seen"] == [SEEN] * 10
    assert facts["threads"] == ["MainThread"]


# A host whose main loop is a queue, and its adapter.
PUMPED = """
from hostkernel import Host, PostLoop
from hostkernel.config.models import Settings
from hostkernel.kernel.manager import HostKernelManager
from hostkernel.plugins import Plugins

posted = queue.SimpleQueue()

class QueueHost(Host):
    name = "queue"
    def loop(self):
        return PostLoop(posted.put)

def turn(until, seconds=60):
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        try:
            posted.get(timeout=0.01)()
        except queue.Empty:
            pass

manager = HostKernelManager(QueueHost(QueueHost.settings_model()), Settings(), Plugins.load())
"""


def test_ten_times_pumped(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        CELLS
        + PUMPED
        + """
seen, modes = [], set()
for _ in range(10):
    manager.start()
    modes.add(manager.mode)
    client = begin(manager, *CELLS)
    turn(lambda: client.poll() is not None)
    seen.append(finish(client))
    manager.stop()
tell(seen=seen, modes=list(modes), threads=[thread.name for thread in threading.enumerate()])
"""
    )
    assert facts["seen"] == [SEEN] * 10
    assert facts["modes"] == ["pumped"]
    assert facts["threads"] == ["MainThread"]


def test_a_host_that_cannot_be_woken(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        CELLS
        + PUMPED
        + """
from hostkernel.host import HostLoop, Wakes

class PolledLoop(HostLoop):
    wakes = Wakes.NEVER
    def start(self, tick):
        self.tick = tick
    def stop(self):
        self.tick = None

class PolledHost(QueueHost):
    def loop(self):
        return loop

loop = PolledLoop()
manager = HostKernelManager(PolledHost(Host.settings_model()), Settings(), Plugins.load())
manager.start()
client = begin(manager, *CELLS)
longest = 0.0
while client.poll() is None:
    longest = max(longest, loop.tick() or 0.0)
    time.sleep(0.005)
logged = []
logging.getLogger("hostkernel.kernel").handle = lambda record: logged.append(record.getMessage())
driver, late = manager._embedding.driver, loop.tick
driver.loop.call_soon(driver.turn_inside)
loop.tick()
manager.stop()
late()
tell(seen=finish(client), longest=longest, tick=loop.tick, logged=logged)
"""
    )
    assert facts["seen"] == SEEN
    assert facts["logged"] == []
    assert facts["longest"] > 0
    assert facts["tick"] is None


def test_an_awaiting_cell_leaves_the_main_loop_to_the_host(
    told: Callable[..., dict[str, Any]],
) -> None:
    facts = told(
        PUMPED
        + """
turns = []
manager.start()
client = begin(manager, "import asyncio; await asyncio.sleep(0.5)")
def over():
    turns.append(1)
    return client.poll() is not None
turn(over)
manager.stop()
tell(turns=len(turns), seen=finish(client))
"""
    )
    assert facts["seen"] == [["ok", None, ""]]
    assert facts["turns"] > 20


@pytest.mark.parametrize("mode", ["served", "pumped"])
def test_a_background_task_of_a_cell_goes_on_between_cells(
    told: Callable[..., dict[str, Any]], mode: str
) -> None:
    cells = """
CELLS = [
    "import asyncio; n = 0\\nasync def count():\\n    global n\\n    while True: n += 1; "
    "await asyncio.sleep(0.001)\\ntask = asyncio.create_task(count())",
    "import time; before = n; deadline = time.monotonic() + 30\\n"
    "while n < before + 5 and time.monotonic() < deadline: await asyncio.sleep(0.01)\\nn > before",
    "task.cancel()",
]
"""
    served = """
def use_it():
    while (kernel := hostkernel.current()) is None or not kernel.is_running:
        time.sleep(0.001)
    tell(seen=drive(kernel, *CELLS))
    kernel.stop()
user = threading.Thread(target=use_it)
user.start()
hostkernel.serve()
user.join()
"""
    pumped = """
manager.start()
client = begin(manager, *CELLS)
turn(lambda: client.poll() is not None)
tell(seen=finish(client))
manager.stop()
"""
    facts = told(cells + (served if mode == "served" else PUMPED + pumped))
    assert facts["seen"] == [["ok", None, ""], ["ok", None, "True"], ["ok", None, "True"]]
