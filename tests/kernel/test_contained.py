"""What cells leave in the process, or let escape from a callback, does not reach the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(50)

SAY = "print('started', flush=True)\n"
ENDS = {"sys.exit()": "sys.exit(3)", "KeyboardInterrupt": "raise KeyboardInterrupt"}


def heard(client: BlockingKernelClient, request: str) -> list[dict[str, Any]]:
    """What a request that has no answer brings about, until the kernel is idle again."""
    messages = []
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") == request:
            messages.append(message)
            if message["content"].get("execution_state") == "idle":
                return messages


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS.keys())
def test_a_comms_callback_ends_nothing(each_host: LiveHost, code: str) -> None:
    each_host.start()
    client = each_host.client()
    value(
        client,
        f"""
import comm, sys
def opened(opened_comm, message):
    {code}
comm.get_comm_manager().register_target("ends", opened)
""",
    )
    message = client.session.msg("comm_open", {"comm_id": "1", "target_name": "ends", "data": {}})
    client.shell_channel.send(message)
    kinds = [each["msg_type"] for each in heard(client, message["header"]["msg_id"])]
    assert "error" in kinds  # the client is told what happened
    assert value(client, "1 + 1") == "2"
    assert each_host.beside("manager.is_running")


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS.keys())
def test_completion_and_inspection_end_nothing(each_host: LiveHost, code: str) -> None:
    each_host.start()
    client = each_host.client()
    value(
        client,
        f"""
import sys
class Object:
    def __dir__(self): {code}
    def __getattr__(self, name): {code}
    @property
    def __doc__(self): {code}
it = Object()
""",
    )
    for request in (client.complete("it.a"), client.inspect("it"), client.inspect("it.a")):
        reply = client.get_shell_msg(timeout=SECONDS)
        assert reply["parent_header"]["msg_id"] == request
    assert value(client, "1 + 1") == "2"
    assert each_host.beside("manager.is_running")


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS.keys())
def test_a_task_ends_nothing(each_host: LiveHost, code: str) -> None:
    each_host.start()
    client = each_host.client()
    cell = f"""
import asyncio, sys
async def end():
    await asyncio.sleep(0)
    {code}
async def wait():
    await asyncio.sleep(0.01)
    return "waited"
ending, waiting = asyncio.create_task(end()), asyncio.create_task(wait())
"""
    value(client, cell)
    value(client, "import time\nwhile not ending.done(): await asyncio.sleep(0.01)")
    name = eval(value(client, "type(ending.exception()).__name__"))
    assert name in {"SystemExit", "KeyboardInterrupt"}
    assert value(client, "await waiting, asyncio.iscoroutine(waiting.get_coro())") == (
        "('waited', True)"
    )
    assert "wait()" in value(client, "waiting")
    assert each_host.beside("manager.is_running")
    each_host.drop_clients()
    assert each_host.stop() == []


def test_an_error_in_a_callback_of_a_cells_is_told(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    request = client.execute(
        "import asyncio; handle = asyncio.get_running_loop().call_later(0.05, lambda: 1 / 0)"
    )
    told = ""
    while "ZeroDivisionError" not in told:
        message = client.get_iopub_msg(timeout=SECONDS)
        told = message["content"].get("text", "")
    assert message["parent_header"]["msg_id"] == request
    assert message["content"]["name"] == "stderr"


CLASSES = {"one that is a value": "5", "one that cannot be asked for": "1 / 0"}


@pytest.mark.parametrize("answer", CLASSES.values(), ids=CLASSES.keys())
def test_a_result_whose_class_is_no_type(each_host: LiveHost, answer: str) -> None:
    """Such as FreeCAD's views, which answer every attribute."""
    each_host.start()
    client = each_host.client()
    code = f"""
class View:
    def __getattribute__(self, name):
        if name == "__class__": return {answer}
        return object.__getattribute__(self, name)
    def __repr__(self): return "<a view>"
View()
"""
    assert value(client, code) == "<a view>"


def test_a_repr_that_sleeps_is_interrupted(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    code = f"""
import time
class Slow:
    def __repr__(self):
        {SAY}        for _ in range(6000): time.sleep(0.01)
        return "slow"
Slow()
"""
    request = busy(client, code)
    control(client, "interrupt_request")
    finish(client, request)
    assert value(client, "1 + 1") == "2"


def test_a_cell_that_closes_stdin(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.start()
    client = host.client()
    value(client, "import os; os.close(0)")
    assert value(client, "print('shown'); 1 + 1").split() == ["shown", "2"]
    host.drop_clients()
    assert host.stop() == []


def test_a_cell_that_takes_all_signals(host: LiveHost) -> None:
    host.start()
    client = host.client()
    code = """
import signal
before = {}
for number in signal.valid_signals():
    try: before[number] = signal.signal(number, lambda *_: None)
    except (OSError, ValueError): pass
"""
    value(client, code)
    request = busy(client, SAY + "while True: pass")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    value(client, "for number, old in before.items(): signal.signal(number, old or signal.SIG_DFL)")
    host.drop_clients()
    assert host.stop() == []


@pytest.mark.parametrize("handler", ["lambda *_: None", "signal.SIG_IGN"])
@pytest.mark.parametrize("mode", ["pumped", "shared", "served"])  # a thread cannot
def test_a_cell_that_takes_the_signal_of_interrupts(
    live_hosts: Callable[[str], LiveHost], mode: str, handler: str
) -> None:
    host = live_hosts(mode)
    host.start()
    client = host.client()
    taken = f"import signal; before = signal.signal(signal.SIGURG, {handler})"
    # In the cell that takes it, Python code alone can be interrupted.
    request = busy(client, f"{taken}\n{SAY}while True: pass")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    # In the next, everything: there is another signal by now.
    request = busy(client, SAY + "import time; time.sleep(100)")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    host.drop_clients()
    [left] = host.stop()
    assert "SIGURG" in left
    host.do("import signal; signal.signal(signal.SIGURG, signal.SIG_DFL)")


def test_a_cell_that_gives_the_signal_back(host: LiveHost) -> None:
    host.start()
    client = host.client()
    code = """
import signal, time
before = signal.signal(signal.SIGURG, lambda *_: None)
signal.signal(signal.SIGURG, before)
print("started", flush=True)
time.sleep(100)
"""
    request = busy(client, code)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    host.drop_clients()
    assert host.stop() == []


LEAVE = {
    "a long output": "print('x' * 100_000)",
    "a long result": "'x' * 100_000",
    "a refused %gui": "%gui wx",
    "basicConfig": "import logging; logging.basicConfig(level=logging.DEBUG)",
    "a script": "%%bash\necho x",
    "a script in the background": "%%bash --bg\nsleep 93.1",
}
READ = """
import ledger, logging, threading
log = logging.getLogger()
[len(ledger.descriptors()), sorted(map(repr, threading.enumerate())), repr(log), log.handlers]
"""


@pytest.mark.parametrize("code", LEAVE.values(), ids=LEAVE.keys())
def test_what_a_cell_leaves_goes_with_the_kernel(each_host: LiveHost, code: str) -> None:
    host = each_host
    host.start()
    host.stop()  # what is made once in a process is made
    before = host.beside(READ)
    host.start()
    client = host.client()
    cell(client, code)
    host.drop_clients()
    assert host.stop() == []
    assert host.beside(READ) == before
