"""Whatever a client or a cell does, the host and its children go on. In each bundled host."""

from __future__ import annotations

import json
from queue import Empty
from typing import TYPE_CHECKING

import psutil
import pytest
from support.live import busy, cell, control, finish, value
from support.runs import SECONDS, Run, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

# A window draws itself before anything else, which takes its time without a graphics card.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow(40)]

SAY = "print('started', flush=True)\n"
PUMPED = ("qt", "window")  # these own their main loop

# A child of the host, which must survive everything, and a mark that a restart must leave.
FAMILY = """
import json, subprocess
json.child = subprocess.Popen(["sleep", "1000"])
json.child.pid
"""


@pytest.fixture(scope="module")
def host(client: BlockingKernelClient) -> psutil.Process:
    """The host's process."""
    return psutil.Process(int(value(client, "import os; os.getpid()")))


@pytest.fixture(scope="module")
def child(client: BlockingKernelClient) -> Iterator[psutil.Process]:
    """A child of the host."""
    child = psutil.Process(int(value(client, FAMILY)))
    yield child
    child.kill()


@pytest.fixture(autouse=True)
def unharmed(
    host: psutil.Process, child: psutil.Process, client: BlockingKernelClient
) -> Iterator[None]:
    """After each test host and child live, and cells run in it."""
    yield
    assert psutil.STATUS_ZOMBIE not in {host.status(), child.status()}
    assert child.ppid() == host.pid
    assert value(client, "import os; os.getpid()") == str(host.pid)


def test_cells_run_on_the_main_thread(client: BlockingKernelClient) -> None:
    cell = "import threading; threading.current_thread() is threading.main_thread()"
    assert value(client, cell) == "True"


def test_a_clients_shutdown(client: BlockingKernelClient, each: Run) -> None:
    value(client, "kept = 1")
    other = each.client()
    request = busy(other, "import asyncio\n" + SAY + "await asyncio.sleep(0.3); kept")
    assert control(client, "shutdown_request", restart=False)["status"] == "ok"
    assert finish(other, request).text.endswith("1")
    assert value(client, "kept") == "1"
    assert control(client, "kernel_info_request")["status"] == "ok"


@pytest.mark.parametrize("code", ["exit()", "quit()"])
def test_exit(client: BlockingKernelClient, code: str) -> None:
    value(client, "kept = 2")
    assert cell(client, code).status == "ok"
    assert value(client, "kept") == "2"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import asyncio, sys; await asyncio.sleep(0.01); sys.exit(3)", "SystemExit"),
    ],
)
def test_endings_raised_in_a_cell(client: BlockingKernelClient, code: str, error: str) -> None:
    assert cell(client, code).ename == error


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "ValueError"])
def test_endings_raised_in_callbacks_and_tasks(client: BlockingKernelClient, error: str) -> None:
    """A timer of the host's loop that raises would be the kernel's last."""
    code = f"""
import asyncio
def fail(): raise {error}
async def fail_in_task(): raise {error}
loop = asyncio.get_running_loop()
loop.call_soon(fail)
loop.call_later(0.01, fail)
task = loop.create_task(fail_in_task())
task.add_done_callback(lambda task: task.exception())
"""
    cell(client, code)
    assert value(client, "import asyncio; await asyncio.sleep(0.05); 1 + 1") == "2"


BLOCKING = {
    "sleep": "import time; time.sleep(100)",
    "loop": "while True: pass",
    "subprocess": "import subprocess; subprocess.run(['sleep', '100'])",
    "lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "select": "import select, socket; a, b = socket.socketpair(); select.select([a], [], [])",
    "os.system": "import os; os.system('sleep 99; echo never')",
    "shell=True": "import subprocess; subprocess.run('sleep 99; echo never', shell=True)",
}


@pytest.mark.parametrize("code", BLOCKING.values(), ids=BLOCKING.keys())
def test_a_cell_that_blocks_is_interrupted(client: BlockingKernelClient, code: str) -> None:
    request = busy(client, SAY + code)
    assert control(client, "interrupt_request") == {"status": "ok"}
    assert finish(client, request).ename == "KeyboardInterrupt"


def test_a_script_is_interrupted(client: BlockingKernelClient) -> None:
    request = busy(client, "%%bash\necho started; sleep 99; echo never")
    control(client, "interrupt_request")
    reply = finish(client, request)
    assert reply.ename in {"KeyboardInterrupt", "CancelledError", "CalledProcessError"}
    assert "never" not in reply.text


def test_a_cell_that_awaits_is_interrupted(client: BlockingKernelClient) -> None:
    # Says so once it waits: before that it is a KeyboardInterrupt, as in a stock kernel.
    say = "import asyncio; asyncio.get_running_loop().call_soon(print, 'started')\n"
    request = busy(client, say + "await asyncio.sleep(100)")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "CancelledError"


@pytest.mark.parametrize("code", ["input('name? ')", "__import__('getpass').getpass()"])
def test_a_question_is_interrupted(client: BlockingKernelClient, code: str) -> None:
    request = client.execute(code, allow_stdin=True)
    client.get_stdin_msg(timeout=SECONDS)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"


def test_the_shell_is_interrupted(client: BlockingKernelClient) -> None:
    request = busy(client, "!echo started; sleep 100")
    control(client, "interrupt_request")
    finish(client, request)


def test_an_idle_host_is_not_interrupted(client: BlockingKernelClient) -> None:
    for _ in range(20):
        control(client, "interrupt_request")


def test_children_have_ctrl_c_as_ever(client: BlockingKernelClient) -> None:
    """An action that is "ignore" would be inherited; handlers are not."""
    bit = "int(open(f'/proc/{json.child.pid}/status').read().split('SigIgn:')[1].split()[0], 16)"
    assert value(client, f"import json; {bit} >> 1 & 1") == "0"


def test_output_finds_its_way(client: BlockingKernelClient, each: Run) -> None:
    before = len(each.output)
    code = """
import asyncio, sys, threading
def work():
    print("from a thread")
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("from the cell")
print("and its errors", file=sys.stderr)
async def later():
    print("from a task")
await asyncio.create_task(later())
"""
    text = value(client, code)
    for said in ("from a thread", "from the cell", "and its errors", "from a task"):
        assert said in text
        assert said not in each.output[before:]


HOST_PRINTS = {
    "qt": "import __main__; __main__.QTimer.singleShot(0, say)",
    "window": "bpy.app.timers.register(say)",
}


def test_what_the_host_prints_is_its_own(
    client: BlockingKernelClient, each: Run, kind: str
) -> None:
    """Asked for by a cell, but done in the host's own time."""
    if kind not in PUMPED:
        pytest.skip("while it serves a kernel this host does nothing by itself")
    before = len(each.output)
    say = "import functools\nsay = functools.partial(print, 'of the host', flush=True)"
    value(client, f"{say}\n{HOST_PRINTS[kind]}")
    wait_for(lambda: "of the host" in each.output[before:], "a line in the host's console")
    assert "of the host" not in value(client, "1")


def test_what_a_cells_function_prints_in_the_hosts_time_is_the_cells(
    client: BlockingKernelClient, each: Run, kind: str
) -> None:
    if kind not in PUMPED:
        pytest.skip("while it serves a kernel this host does nothing by itself")
    before = len(each.output)
    request = client.execute(f"say = lambda: print('of the cell')\n{HOST_PRINTS[kind]}")
    text = ""
    while "of the cell" not in text:
        try:
            message = client.get_iopub_msg(timeout=SECONDS)
        except Empty:
            state = value(client, "import sys; vars(sys.stdout)")
            pytest.fail(f"nothing came; the console: {each.output[before:]!r}; now: {state}")
        if message["parent_header"].get("msg_id") == request:
            text += message["content"].get("text", "")
    assert "of the cell" not in each.output[before:]


NESTED = {
    "qt": "import __main__; [__main__.app.processEvents() for _ in range(100)]",
    "window": "[bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=1) for _ in range(3)]",
}


def test_a_cell_that_runs_the_hosts_loop(client: BlockingKernelClient, kind: str) -> None:
    """Requests that arrive meanwhile wait for their turn."""
    if kind not in PUMPED:
        pytest.skip("this host has no loop of its own")
    request = client.execute(NESTED[kind] + "; 'first'")
    others = [client.execute(f"'{number}'") for number in range(5)]
    # The result alone: Blender tells of its redraws.
    messages = finish(client, request).messages
    [result] = [each for each in messages if each["msg_type"] == "execute_result"]
    assert result["content"]["data"]["text/plain"] == "'first'"
    for number, other in enumerate(others):
        assert finish(client, other).text == f"'{number}'"


def test_restart_while_an_endless_cell_runs(
    client: BlockingKernelClient, child: psutil.Process
) -> None:
    value(client, "gone = 1")
    request = busy(client, SAY + "while True: pass")
    assert control(client, "shutdown_request", restart=True)["status"] == "ok"
    assert finish(client, request).status == "error"
    wait_for(lambda: value(client, "'gone' in globals()") == "False", "a fresh namespace")
    assert value(client, "import json; json.child.pid") == str(child.pid)


STUBBORN = """
import asyncio
while True:
    try: await asyncio.sleep(0.5)
    except BaseException: pass
"""


def test_restart_while_a_cell_awaits_that_catches_everything(client: BlockingKernelClient) -> None:
    value(client, "gone = 1")
    request = busy(client, SAY + STUBBORN)
    assert control(client, "shutdown_request", restart=True)["status"] == "ok"
    assert finish(client, request).status == "error"
    wait_for(lambda: value(client, "'gone' in globals()") == "False", "a fresh namespace")


ENDS_OF_A_CHILD = [("returns = 1", 0), ("1 / 0", 1), ("sys.exit(3)", 3)]


@pytest.mark.parametrize(("code", "status"), ENDS_OF_A_CHILD)
def test_a_forked_child_that_comes_back_ends(
    client: BlockingKernelClient, code: str, status: int
) -> None:
    """It is no second application."""
    fork = f"import os, sys\npid = os.fork()\nif not pid: {code}"
    wait = "if pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    assert value(client, f"{fork}\n{wait}") == f"{status}\n"


def test_the_key_is_told_to_nobody(client: BlockingKernelClient, each: Run) -> None:
    key = json.loads(each.file().read_text())["key"]
    value(client, "import hostkernel")
    shown = value(client, "print(hostkernel.current(), hostkernel.current().connection_info)")
    for text in (shown, each.output, each.hostkernel("list", "--json")):
        assert key not in text


def test_a_busy_host_is_listed_as_busy(client: BlockingKernelClient, each: Run) -> None:
    request = busy(client, SAY + "import time; time.sleep(100)")
    [listed] = json.loads(each.hostkernel("list", "--json"))
    assert listed["activity"] == "busy"
    each.hostkernel("interrupt")
    assert finish(client, request).ename == "KeyboardInterrupt"
