"""Soft restart: everything of the kernel is fresh, nothing of the host is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(50)

SAY = "print('started', flush=True)\n"


def restart(client: BlockingKernelClient) -> None:
    reply = control(client, "shutdown_request", restart=True)
    assert reply == {"status": "ok", "restart": True}


def restarted(client: BlockingKernelClient) -> None:
    """Ask for it, and wait until the new namespace is there."""
    value(client, "marks_the_old_namespace = True")
    restart(client)
    gone = "'marks_the_old_namespace' in globals()"
    wait_for(lambda: value(client, gone) == "False", "a fresh namespace")


def test_what_is_fresh_and_what_stays(each_host: LiveHost) -> None:
    host = each_host
    host.beside(
        """
import hostkernel
class Giving:
    asked = 0
    @hostkernel.hookimpl
    def hostkernel_namespace(self):
        self.asked += 1
        return {"given": self.asked}
    @hostkernel.hookimpl
    def hostkernel_extensions(self):
        return ["autoreload"]
giving = Giving()
"""
    )
    host.start("plugin=giving")
    client, other = host.client(), host.client()
    before = json.loads(host.file().read_text())
    value(client, "x = 1; 'in Out'")
    value(client, "%alias say echo")
    value(client, "get_ipython().register_magic_function(print, magic_name='mine')")
    value(client, "import comm; c = comm.create_comm(target_name='t')")
    value(client, "import sys; sys.modules['json'].kept = 'by the host'")
    session = value(client, "get_ipython().history_manager.session_number")
    assert value(client, "given") == "1"
    restarted(client)
    assert json.loads(host.file().read_text()) == before
    assert value(client, "given") == "2"
    reply = cell(client, "len(Out)")
    assert int(reply.content["execution_count"]) < 10
    assert value(client, "'in Out' in Out.values()") == "False"
    assert cell(client, "%mine").status == "error"
    assert "0" in value(client, "import comm; len(comm.get_comm_manager().comms)")
    assert "autoreload" in value(client, "get_ipython().extension_manager.loaded")
    assert value(client, "import sys; sys.modules['json'].kept") == "'by the host'"
    assert int(value(client, "get_ipython().history_manager.session_number")) > int(session)
    assert value(other, "'x' in globals()") == "False"
    assert value(other, "import os; os.getpid()") == str(host.process.pid)


def test_a_fresh_kernel_counts_from_one(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    for number in range(5):
        value(client, str(number))
    restart(client)
    replies = []

    def fresh() -> bool:
        replies.append(cell(client, "1").content["execution_count"])
        return int(replies[-1]) == 1

    wait_for(fresh, "the first cell of a fresh kernel")


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(100)",
        "import asyncio; await asyncio.sleep(100)",
        "input()",
    ],
)
def test_while_a_cell_runs(each_host: LiveHost, code: str) -> None:
    if each_host.mode == "thread" and "time.sleep" in code:
        pytest.skip("off the main thread a C call is interrupted when it returns")
    each_host.start()
    client = each_host.client()
    value(client, "x = 1")
    request = busy(client, SAY + code)
    restart(client)
    assert finish(client, request).status == "error"
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")


def test_a_cell_that_catches_the_interrupt_may_end_by_itself(host: LiveHost) -> None:
    """It has a second for that: what it wants to save is saved."""
    host.start()
    client = host.client()
    code = """
import time
try:
    print("started", flush=True)
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(0.2)
x = 1
"""
    request = busy(client, code)
    restart(client)
    assert finish(client, request).status == "ok"
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")


def test_requests_sent_meanwhile_are_all_answered(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    for _ in range(5):
        client.control_channel.send(client.session.msg("shutdown_request", {"restart": True}))
        sent = {client.execute(f"{number}") for number in range(20)}
        sent |= {client.kernel_info(), client.complete("%tim"), client.is_complete("1")}
        while sent:
            reply = client.get_shell_msg(timeout=SECONDS)
            sent.discard(reply["parent_header"]["msg_id"])
    assert value(client, "1 + 1") == "2"


def test_clients_are_told(host: LiveHost) -> None:
    host.start()
    client = host.client()
    restart(client)
    states = []
    while "starting" not in states:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["msg_type"] == "status":
            states.append(message["content"]["execution_state"])
    assert "restarting" not in states  # a notebook would say that the kernel has died


def test_a_cells_background_tasks_end_with_it(each_host: LiveHost) -> None:
    if each_host.mode == "shared":
        pytest.skip("on the host's own loop tasks are the loop's: documented")
    each_host.start()
    client = each_host.client()
    code = """
import asyncio, json
json.beats = 0
async def beat():
    while True:
        json.beats += 1
        await asyncio.sleep(0.001)
task = asyncio.get_running_loop().create_task(beat())
await asyncio.sleep(0.05)
"""
    value(client, code)
    restarted(client)
    count = "import asyncio, json; n = json.beats; await asyncio.sleep(0.05); json.beats == n"
    assert value(client, count) == "True"


def test_restarts_leave_nothing_behind(each_host: LiveHost) -> None:
    host = each_host
    host.start()
    client = host.client()
    for _ in range(3):
        restarted(client)
    read = """
import gc, ledger, threading
gc.collect()
shells = [o for o in gc.get_objects() if type(o).__name__ == "ZMQInteractiveShell"]
count = len(shells)
del shells
# IPython's history has its journal open for moments, and its folder, in a thread of its own.
moments = ("-journal", "-journal (deleted)", "/profile_default")
files = sum(not name.endswith(moments) for name in ledger.descriptors().values())
[count, files, threading.active_count()]
"""
    before = host.beside(read)
    for _ in range(15):
        restarted(client)
    assert host.beside(read) == before
    assert before[0] == 1
    host.drop_clients()
    assert host.stop() == []


def test_the_last_error_of_a_cell_goes_with_it(each_host: LiveHost) -> None:
    """Its traceback holds frames of the shell, and the host has a last error of its own."""
    each_host.beside("import sys; sys.last_value = own = ValueError('own')")
    each_host.start()
    client = each_host.client()
    assert cell(client, "1 / 0").ename == "ZeroDivisionError"
    assert cell(client, "1 +").ename == "SyntaxError"
    assert cell(client, "[][1]").ename == "IndexError"
    assert value(client, "import sys; type(sys.last_value).__name__") == "'IndexError'"
    restarted(client)
    look = "sys.last_value is own, hasattr(sys, 'last_traceback')"
    assert each_host.beside(look) == [True, False]
    cell(client, "1 +")
    each_host.drop_clients()
    assert each_host.stop() == []
    assert each_host.beside(look) == [True, False]
    each_host.beside("del sys.last_value")


def test_a_restart_that_fails_leaves_a_kernel_that_says_so(host: LiveHost) -> None:
    host.start()
    client = host.client()
    host.do(
        """
from hostkernel.kernel.ipython.app import HostKernelApp
own = HostKernelApp.init_extensions
def fail(self): raise RuntimeError("on purpose")
HostKernelApp.init_extensions = fail
"""
    )
    restart(client)
    wait_for(lambda: "on purpose" in host.output, "the log of the failure")
    host.do("HostKernelApp.init_extensions = own")
    assert value(client, "1 + 1") == "2"
