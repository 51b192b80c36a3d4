"""A running cell can always be interrupted, and nothing else ever is."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS, wait_for

from hostkernel.kernel.process.interrupt import Interrupter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(70)

SAY = "print('started', flush=True)\n"
BLOCKING = {
    "sleep": "import time; time.sleep(100)",
    "endless loop": "while True: pass",
    "lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "select": "import select, socket; a, b = socket.socketpair(); select.select([a], [], [])",
    "recv": "import socket; a, b = socket.socketpair(); a.recv(1)",
    "queue": "import queue; queue.Queue().get()",
    "subprocess": "import subprocess; subprocess.run(['sleep', '100'])",
    # Says so itself: between the cell's word and the command's start, ^C has nobody to reach.
    "shell": "!echo started; sleep 100",
    "swallowing": "import time\ntry:\n    time.sleep(100)\nexcept Exception:\n    pass",
}
AWAITING = {
    "sleep": "import asyncio; await asyncio.sleep(100)",
    "future": "import asyncio; await asyncio.get_running_loop().create_future()",
    "spin": "import asyncio\nwhile True: await asyncio.sleep(0)",
    "loop": "import asyncio; await asyncio.sleep(0)\nwhile True: pass",
}


@pytest.fixture(params=("pumped", "shared", "served"))
def main_host(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """A host whose cells run on the main thread; the kernel runs, and a child of the host."""
    host = live_hosts(request.param)
    host.beside(
        """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
"""
    )
    host.start()
    yield host
    assert host.beside("child.poll()") is None
    assert host.beside("child.communicate(b'\\n', timeout=20); child.returncode") == 0
    assert host.running
    host.drop_clients()
    host.stop()


def wait_past_print(host: LiveHost) -> None:
    """Wait until the cell is behind the word that it says; its client may hear it sooner."""
    host.beside("import sys, threading, traceback")
    thread = "sys._current_frames()[threading.main_thread().ident]"
    code = f"[frame.f_code.co_name for frame, _ in traceback.walk_stack({thread})]"
    wait_for(lambda: "flush" not in host.beside(code), "the cell behind its word")


def interrupt(client: BlockingKernelClient) -> None:
    assert control(client, "interrupt_request") == {"status": "ok"}


@pytest.mark.parametrize("code", BLOCKING.values(), ids=BLOCKING.keys())
def test_whatever_blocks(main_host: LiveHost, code: str) -> None:
    client = main_host.client()
    request = busy(client, code if code.startswith("!") else SAY + code)
    wait_past_print(main_host)
    interrupt(client)
    reply = finish(client, request)
    if not code.startswith("!"):  # there the command is ended, and the cell goes on
        assert (reply.status, reply.ename) == ("error", "KeyboardInterrupt")
        assert "hostkernel" not in "".join(reply.content["traceback"])
    assert value(client, "1 + 1") == "2"


@pytest.mark.parametrize("code", AWAITING.values(), ids=AWAITING.keys())
def test_whatever_awaits(main_host: LiveHost, code: str) -> None:
    client = main_host.client()
    request = busy(client, SAY + code)
    interrupt(client)
    reply = finish(client, request)
    # As in a stock kernel a suspended cell is cancelled, and says so.
    assert reply.status == "error"
    assert reply.ename in {"CancelledError", "KeyboardInterrupt"}
    assert value(client, "1 + 1") == "2"


def test_a_cell_whose_turn_comes_before_its_end(main_host: LiveHost) -> None:
    """It waited when it was cancelled, but was the loop's next, and does not wait again."""
    client = main_host.client()
    code = f"""
import asyncio, time
asyncio.get_running_loop().call_soon(time.sleep, 0.3)
{SAY}
await asyncio.sleep(0)
while True: pass
"""
    request = busy(client, code)
    wait_past_print(main_host)
    interrupt(client)
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert value(client, "1 + 1") == "2"


@pytest.mark.parametrize("code", ["input('name? ')", "__import__('getpass').getpass()"])
def test_input_can_be_interrupted_and_answered(main_host: LiveHost, code: str) -> None:
    client = main_host.client()
    request = client.execute(code, allow_stdin=True)
    client.get_stdin_msg(timeout=SECONDS)
    interrupt(client)
    assert finish(client, request).ename == "KeyboardInterrupt"
    request = client.execute(code, allow_stdin=True)
    client.get_stdin_msg(timeout=SECONDS)
    client.input("an answer")
    assert finish(client, request).text == "'an answer'"


def test_a_cell_that_catches_it_goes_on(main_host: LiveHost) -> None:
    client = main_host.client()
    code = (
        "import time\ntry:\n    print('started', flush=True)\n    time.sleep(100)\n"
        "except KeyboardInterrupt: print('caught')\n6 * 7"
    )
    request = busy(client, code)
    interrupt(client)
    reply = finish(client, request)
    assert reply.status == "ok"
    assert reply.text.endswith("caught\n42")


def test_the_end_of_a_long_step_is_the_kernels_own() -> None:
    """There it takes the next request, which an interrupt would lose."""
    interrupter = Interrupter(lambda: 100.0)
    try:
        with interrupter.shielded(), interrupter.shielded(False), interrupter.armed():
            pass
        interrupter.fire()
        # What goes on behind it is no cell's end any more, but a callback that is stuck.
        with pytest.raises(KeyboardInterrupt):
            wait_for(interrupter.fire, "an interrupt", seconds=10.0)
    finally:
        assert interrupter.close() == []


def test_when_idle_it_does_nothing(main_host: LiveHost) -> None:
    client = main_host.client()
    for _ in range(20):
        interrupt(client)
    assert value(client, "1 + 1") == "2"


def test_between_and_at_the_edges_of_cells(main_host: LiveHost) -> None:
    """Wherever it lands, every request is answered and the host goes on."""
    client = main_host.client()
    for number in range(30):
        message = client.session.msg("interrupt_request", {})
        request = client.execute(f"x = {number}; x", stop_on_error=False)
        client.control_channel.send(message)
        reply = finish(client, request)
        assert reply.status == "ok" or reply.ename == "KeyboardInterrupt"
        # It may still be on its way, and then be the next cell's.
        interrupted = client.get_control_msg(timeout=SECONDS)
        assert interrupted["parent_header"]["msg_id"] == message["header"]["msg_id"]
    assert value(client, "1 + 1") == "2"


def test_between_a_cell_and_its_answer(main_host: LiveHost) -> None:
    """However long the kernel takes to answer: on a loop with much to do, in a slow host."""
    client = main_host.client()
    main_host.beside("manager._embedding.kernel._execute_sleep = 1.5")
    request = client.execute("print('over', flush=True)")
    while "over" not in (client.get_iopub_msg(timeout=SECONDS)["content"].get("text") or ""):
        pass
    time.sleep(0.8)  # beyond what makes a step of the loop suspicious
    interrupt(client)
    reply = client.get_shell_msg(timeout=SECONDS)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (request, "ok")


def test_an_endless_callback_of_a_comm(main_host: LiveHost) -> None:
    client = main_host.client()
    code = """
import comm
def opened(opened_comm, message):
    print("started", flush=True)
    while True: pass
comm.get_comm_manager().register_target("endless", opened)
"""
    value(client, code)
    content = {"comm_id": "1", "target_name": "endless", "data": {}}
    client.shell_channel.send(client.session.msg("comm_open", content))
    while "started" not in (client.get_iopub_msg(timeout=SECONDS)["content"].get("text") or ""):
        pass
    interrupt(client)
    assert value(client, "1 + 1") == "2"


def test_a_task_that_spins_between_cells(main_host: LiveHost) -> None:
    if main_host.mode == "shared":
        pytest.skip("on the host's own loop a step may be the host's, which nobody interrupts")
    client = main_host.client()
    code = """
import asyncio
async def spin():
    await asyncio.sleep(0.01)
    print("started", flush=True)
    while True:
        pass
task = asyncio.create_task(spin())
"""
    busy(client, code)
    request = client.execute("task.done(), task.cancelled()")

    interrupt(client)
    # Answered, or interrupted itself: the two race.
    reply = finish(client, request)
    assert reply.ename == "KeyboardInterrupt" or reply.text.endswith("(True, False)")
    assert value(client, "1 + 1") == "2"


def test_in_thread_mode(live_hosts: Callable[[str], LiveHost]) -> None:
    """Python code at once; a C call when it returns, which the documentation says."""
    host = live_hosts("thread")
    host.start()
    client = host.client()
    for code in ("while True: pass", "import time\nwhile True: time.sleep(0.01)"):
        request = busy(client, SAY + code)
        interrupt(client)
        assert finish(client, request).ename == "KeyboardInterrupt"
    request = busy(client, SAY + "import asyncio; await asyncio.sleep(100)")
    interrupt(client)
    assert finish(client, request).status == "error"
    host.drop_clients()
    host.stop()


HANDLERS = {
    "default": "signal.signal(signal.SIGINT, signal.SIG_DFL)",
    "python": "signal.signal(signal.SIGINT, lambda number, frame: hits.append(number))",
    "ignored": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "C": """
import ctypes
libc = ctypes.CDLL(None)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal(int(signal.SIGINT), ctypes.cast(libc.abs, ctypes.c_void_p).value)
""",
}


@pytest.fixture
def own_sigint(host: LiveHost) -> Iterator[LiveHost]:
    host.do("import signal; hits = []")
    yield host
    host.do("signal.signal(signal.SIGINT, signal.default_int_handler)")


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS.keys())
def test_the_hosts_own_ctrl_c_has_no_part_in_it(own_sigint: LiveHost, handler: str) -> None:
    host = own_sigint
    host.do(handler)
    host.start()
    client = host.client()
    for code in ("import time; time.sleep(100)", "while True: pass", "input()"):
        request = client.execute(SAY + code, allow_stdin=True)
        wait_for(lambda: host.beside("manager._embedding.interrupter.is_armed"), "a cell")
        if code == "input()":
            client.get_stdin_msg(timeout=SECONDS)
        interrupt(client)
        assert finish(client, request).ename == "KeyboardInterrupt"
    assert host.do("hits") == []
    host.drop_clients()
    assert host.stop() == []


def test_ctrl_c_interrupts_a_cell_where_pythons_handler_is_in_force(own_sigint: LiveHost) -> None:
    host = own_sigint
    host.start()
    client = host.client()
    request = busy(client, SAY + "import time; time.sleep(100)")
    os.kill(host.process.pid, signal.SIGINT)
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert value(client, "1 + 1") == "2"


def test_ctrl_c_during_a_cell_belongs_to_the_hosts_own_handler(own_sigint: LiveHost) -> None:
    host = own_sigint
    host.do(HANDLERS["python"])
    host.start()
    client = host.client()
    request = busy(client, SAY + "import time; time.sleep(0.5); 'done'")
    os.kill(host.process.pid, signal.SIGINT)
    reply = finish(client, request)
    assert (reply.status, reply.text.endswith("'done'")) == ("ok", True)
    assert host.do("hits") == [signal.SIGINT]


@pytest.mark.parametrize("handler", ["ignored", "C"])
def test_ctrl_c_where_python_does_not_get_it(own_sigint: LiveHost, handler: str) -> None:
    host = own_sigint
    host.do(HANDLERS[handler])
    host.start()
    client = host.client()
    request = busy(client, SAY + "import time; time.sleep(0.5); 'done'")
    os.kill(host.process.pid, signal.SIGINT)
    assert finish(client, request).status == "ok"


def test_children_started_by_a_cell_do_not_inherit_an_ignored_ctrl_c(host: LiveHost) -> None:
    host.start()
    code = """
import subprocess, sys
child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout
"""
    assert "True" in value(host.client(), code)


def test_a_storm_of_wakes_fails_no_call_of_the_host(live: Callable[..., LiveHost]) -> None:
    """The wake signal restarts what it interrupts; a C read would else fail with EINTR."""
    host = live("sleepy")
    host.do("import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); ours, theirs = os.pipe()")
    host.start()
    client = host.client()
    assert value(client, "1 + 1") == "2"
    reading = host.post(
        """
buffer = ctypes.create_string_buffer(8)
count = libc.read(ours, buffer, 8)
[count, ctypes.get_errno(), buffer.value.decode()]
"""
    )
    time.sleep(0.6)  # it reads by now or soon; what is tested must hold either way
    for _ in range(200):
        host.beside("[manager._embedding.send_wake() for _ in range(50)]; None")
    client.kernel_info()
    assert not reading.here
    host.beside("os.write(theirs, b'whole')")
    assert reading.value() == [5, 0, "whole"]
    assert value(client, "2 + 2") == "4"


def test_a_signal_cuts_the_hosts_sleep_short(live: Callable[..., LiveHost]) -> None:
    host = live("sleepy")
    host.start()
    client = host.client()
    before = host.beside("counts['cut short']")
    for number in range(10):
        assert value(client, f"{number}") == str(number)
    # Two cells may share a turn, and one may come just where no sleep is.
    assert host.beside("counts['cut short']") - before >= 5


def test_without_a_free_signal_it_comes_late_and_is_said(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do(
        """
import signal
for name in ("SIGURG", "SIGCONT", "SIGWINCH"):
    signal.signal(getattr(signal, name), lambda number, frame: None)
"""
    )
    host.start()
    client = host.client()
    request = busy(client, SAY + "import time\nwhile True: time.sleep(0.1)")
    interrupt(client)
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert "no free signal" in host.output
    assert cell(client, "1 + 1").text == "2"
