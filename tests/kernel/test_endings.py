"""However a kernel is asked to end, the host goes on, and so do its children."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow(100)

POLICIES = ("detach", "stop", "restart", "exit-host")


@pytest.fixture
def parent(each_host: LiveHost) -> Iterator[LiveHost]:
    """A host with a child process, which must survive whatever happens to the kernel."""
    host = each_host
    host.beside(
        """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
quits.clear()
"""
    )
    yield host
    assert host.beside("child.poll()") is None
    assert host.beside("child.communicate(b'\\n', timeout=20); child.returncode") == 0
    turns = host.beside("counts['turns']")
    host.post("None")
    wait_for(lambda: host.beside("counts['turns']") > turns or host.mode == "served", "a turn")


def starts_again(host: LiveHost) -> bool:
    """No zombie: a new kernel answers."""
    host.drop_clients()
    host.start()
    return value(host.client(), "'x' in globals()") == "False"


def test_a_clients_shutdown_under_detach(parent: LiveHost) -> None:
    parent.start()
    one, other = parent.client(), parent.client()
    value(one, "x = 1")
    sent = busy(other, "print('started'); import asyncio; await asyncio.sleep(0.3); x")
    assert control(one, "shutdown_request", restart=False) == {"status": "ok", "restart": False}
    assert finish(other, sent).status == "ok"
    assert value(other, "x") == "1"
    assert value(one, "x") == "1"
    assert parent.running


def test_a_clients_shutdown_under_stop(parent: LiveHost) -> None:
    parent.start("kernel={'on_shutdown': 'stop'}")
    client = parent.client()
    value(client, "x = 1")
    file = parent.file()
    assert control(client, "shutdown_request", restart=False)["status"] == "ok"
    parent.wait_stopped()
    assert not file.exists()
    assert parent.raises("manager.stop()", "beside").name == "NotRunningError"
    assert starts_again(parent)


def test_a_clients_shutdown_under_restart(parent: LiveHost) -> None:
    parent.start("kernel={'on_shutdown': 'restart'}")
    client = parent.client()
    value(client, "x = 1")
    control(client, "shutdown_request", restart=False)
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")
    assert parent.running


def test_a_clients_shutdown_under_exit_host(parent: LiveHost) -> None:
    parent.start("kernel={'on_shutdown': 'exit-host'}")
    control(parent.client(), "shutdown_request", restart=False)
    parent.wait_stopped()
    wait_for(lambda: parent.beside("quits"), "the host's own end")
    assert starts_again(parent)


def test_a_clients_restart_is_one_under_every_policy(parent: LiveHost) -> None:
    for policy in POLICIES:
        parent.start(f"kernel={{'on_shutdown': {policy!r}}}")
        client = parent.client()
        value(client, "x = 1")
        control(client, "shutdown_request", restart=True)
        wait_for(lambda c=client: value(c, "'x' in globals()") == "False", "a fresh namespace")
        parent.drop_clients()
        parent.stop()
    assert parent.beside("quits") == []


@pytest.mark.parametrize(
    "code", ["exit()", "quit()", "exit", "await __import__('asyncio').sleep(0); exit()"]
)
def test_exit_in_a_cell_under_detach(parent: LiveHost, code: str) -> None:
    parent.start()
    client = parent.client()
    value(client, "x = 1")
    assert cell(client, code).status == "ok"
    assert value(client, "x") == "1"


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_exit_in_a_cell_under_other_policies(parent: LiveHost, policy: str) -> None:
    parent.start(f"kernel={{'on_exit': {policy!r}}}")
    client = parent.client()
    assert cell(client, "x = 1; exit()").status == "ok"
    if policy == "restart":
        wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")
        return
    parent.wait_stopped()
    if policy == "exit-host":
        wait_for(lambda: parent.beside("quits"), "the host's own end")
    assert starts_again(parent)


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "raise SystemExit('no')",
        "raise KeyboardInterrupt",
        "import asyncio, sys; await asyncio.sleep(0.01); sys.exit(3)",
        "import asyncio; await asyncio.sleep(0.01); raise KeyboardInterrupt",
    ],
)
def test_endings_raised_in_a_cell_are_its_error(parent: LiveHost, code: str) -> None:
    parent.start()
    client = parent.client()
    reply = cell(client, code)
    assert (reply.status, reply.ename) in {("error", "SystemExit"), ("error", "KeyboardInterrupt")}
    assert value(client, "1 + 1") == "2"


ESCAPING = """
import asyncio, sys
def fail(): raise {error}
async def fail_in_task(): raise {error}
async def quietly():
    task = asyncio.get_running_loop().create_task(fail_in_task())
    task.add_done_callback(lambda task: task.exception())
asyncio.get_running_loop().call_soon(fail)
asyncio.get_running_loop().call_later(0.01, fail)
await quietly()
"""


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "ValueError"])
def test_endings_raised_in_a_callback_or_task_of_a_cell(parent: LiveHost, error: str) -> None:
    if parent.mode == "shared" and error != "ValueError":
        pytest.skip("they reach the loop that runs them, which is the host's own: documented")
    parent.start()
    client = parent.client()
    cell(client, ESCAPING.format(error=error))
    assert value(client, "import asyncio; await asyncio.sleep(0.05); 1 + 1") == "2"
    assert parent.running


def test_stop_in_a_cell_is_done_when_it_has_been_answered(parent: LiveHost) -> None:
    parent.start()
    client = parent.client()
    reply = cell(client, "import hostkernel; print(hostkernel.stop()); 'answered'")
    assert reply.status == "ok"
    assert "answered" in reply.text
    parent.wait_stopped()
    assert starts_again(parent)


def test_stop_in_a_cell_that_awaits(parent: LiveHost) -> None:
    parent.start()
    code = "import asyncio, hostkernel; hostkernel.stop(); await asyncio.sleep(0.1); 'answered'"
    reply = cell(parent.client(), code)
    assert (reply.status, reply.text) == ("ok", "'answered'")
    parent.wait_stopped()
    assert starts_again(parent)


def test_restart_in_a_cell(parent: LiveHost) -> None:
    parent.start()
    client = parent.client()
    reply = cell(client, "x = 1; import hostkernel; hostkernel.restart(); 'answered'")
    assert (reply.status, reply.text) == ("ok", "'answered'")
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")


def test_stop_in_a_hook_of_a_cell(host: LiveHost) -> None:
    host.do(
        """
import hostkernel
class Stopping:
    @hostkernel.hookimpl
    def hostkernel_post_run_cell(self, kernel, cell, result):
        if "stop" in cell:
            kernel.stop()
"""
    )
    host.start("plugin=Stopping()")
    assert cell(host.client(), "'stop'").text == "'stop'"
    host.wait_stopped()


def test_stop_in_a_callback_of_the_host(parent: LiveHost) -> None:
    if parent.mode == "served":
        pytest.skip("the host has no callbacks while it serves")
    parent.start()
    value(parent.client(), "x = 1")
    assert parent.do("list(manager.stop().left)") == []
    assert parent.do("manager.state.value") == "idle"
    assert starts_again(parent)


def test_restart_in_a_callback_of_the_host(parent: LiveHost) -> None:
    if parent.mode == "served":
        pytest.skip("the host has no callbacks while it serves")
    parent.start()
    client = parent.client()
    value(client, "x = 1")
    parent.do("manager.restart()")
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")


def test_stop_from_another_thread_while_a_cell_runs(parent: LiveHost) -> None:
    """It waits for the cell, for a while, and kills nothing."""
    parent.start()
    client = parent.client()
    request = busy(client, "import time; print('started', flush=True); time.sleep(0.5); 'done'")
    assert parent.beside("list(manager.stop().left)") == []
    reply = finish(client, request)
    if parent.mode == "thread":
        assert reply.ename == "KeyboardInterrupt"
    else:
        assert (reply.status, reply.text) == ("ok", "'done'")
    assert starts_again(parent)


def test_stop_in_a_host_callback_while_a_cell_awaits(parent: LiveHost) -> None:
    if parent.mode in {"served", "thread"}:
        pytest.skip("the host's callbacks do not run on the kernel's thread")
    parent.start()
    client = parent.client()
    request = busy(client, "import asyncio; print('started'); await asyncio.sleep(100)")
    assert parent.do("list(manager.stop().left)") == []
    assert parent.do("manager.state.value") == "idle"
    if parent.mode == "pumped":
        assert finish(client, request).status == "error"
    assert starts_again(parent)


def test_a_request_to_stop_interrupts_an_endless_cell(parent: LiveHost) -> None:
    parent.start()
    client = parent.client()
    request = busy(client, "print('started', flush=True)\nwhile True: pass")
    parent.beside("manager.request_stop('a test')")
    assert finish(client, request).ename == "KeyboardInterrupt"
    parent.wait_stopped()
    assert starts_again(parent)


def test_requests_to_end_pile_up_without_harm(parent: LiveHost) -> None:
    parent.start("kernel={'on_shutdown': 'stop'}")
    client = parent.client()
    for restart in (True, False, True, False):
        message = client.session.msg("shutdown_request", {"restart": restart})
        client.control_channel.send(message)
    for _ in range(3):
        parent.beside("manager.request_stop('a test')")
    parent.wait_stopped()
    assert starts_again(parent)


def test_many_threads_stop_and_start_at_once(parent: LiveHost) -> None:
    """One wins, the others are told; nothing else is ever raised."""
    parent.start()
    raised = parent.beside(
        """
import threading
from hostkernel import KernelError
raised = []
def end():
    try:
        manager.stop()
    except BaseException as error:
        raised.append(type(error).__name__)
threads = [threading.Thread(target=end) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
raised
"""
    )
    parent.wait_stopped()
    assert set(raised) <= {"NotRunningError"}
    assert starts_again(parent)
