"""An interrupt reaches the processes that the cell has started, and no other of the host's."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from support.live import MODES, LiveHost, busy, control, finish, value
from support.runs import wait_for

from hostkernel.kernel.process import offspring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="elsewhere the system does not say which thread started what",
    ),
    pytest.mark.slow(40),
]
SAY = "print('started', flush=True)\n"
# By its argument each is found again, whatever its parent is by then.
CELLS = {
    "os.system": SAY + "import os; os.system('sleep 91.1; echo x')",
    "shell=True": SAY + "import subprocess; subprocess.run('sleep 91.2; echo x', shell=True)",
    "run": SAY + "import subprocess; subprocess.run(['sleep', '91.3'])",
    "%%bash": "%%bash\necho started; sleep 91.4; echo x",
    "%%sh, a second time": "%%sh\necho started; sleep 91.5; echo x",
    "%%script": "%%script sh -e\necho started; sleep 91.6; echo x",
    "!": "!echo started; sleep 91.7; echo x",
    "await": """
import asyncio
print("started", flush=True)
child = await asyncio.create_subprocess_exec("sleep", "91.8")
await child.wait()
""",
    "in a thread": """
import subprocess, threading
print("started", flush=True)
thread = threading.Thread(target=subprocess.run, args=(["sleep", "91.9"],))
thread.start()
thread.join()
""",
}


def sleepers(host: LiveHost, argument: str) -> list[psutil.Process]:
    """The processes below the host, and those that lost their parent, with this argument."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        info = process.info
        if argument in (info["cmdline"] or ()) and str(host.folder) in str(info["environ"]):
            found.append(process)
    return found


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """A host in each of the four modes, with children of its own."""
    host = live_hosts(request.param)
    host.start()
    start = "import subprocess; children = [subprocess.Popen(['sleep', '900']) for _ in range(2)]"
    host.beside(start)
    if host.mode != "served":  # there the main thread belongs to the kernel
        host.do("children.append(subprocess.Popen(['sleep', '900']))")
    yield host
    assert host.beside("[child.poll() for child in children]") == [None] * len(
        host.beside("[child.pid for child in children]")
    )
    host.beside("[child.kill() for child in children]; [child.wait() for child in children]")
    host.drop_clients()
    assert host.stop() == []


@pytest.mark.parametrize("code", CELLS.values(), ids=CELLS.keys())
def test_what_the_cell_has_started(running: LiveHost, code: str) -> None:
    client = running.client()
    argument = next(word for word in code.replace('"', "'").split() if "91." in word).strip(";')],")
    request = busy(client, code)
    wait_for(lambda: sleepers(running, argument), "the command")
    # One that the host's other thread starts meanwhile.
    running.beside("children.append(subprocess.Popen(['sleep', '900']))")
    control(client, "interrupt_request")
    reply = finish(client, request)
    assert "hostkernel" not in "".join(reply.content.get("traceback", ()))
    if not code.startswith("!"):  # there the command is ended, and the cell goes on
        assert reply.ename in {"KeyboardInterrupt", "CancelledError", "CalledProcessError"}
    assert "\nx\n" not in reply.text
    wait_for(lambda: not sleepers(running, argument), "the end of the command")
    assert value(client, "1 + 1") == "2"
    running.drop_clients()


def test_what_the_cell_starts_before_it_has_heard_of_it(running: LiveHost) -> None:
    """``os.system`` waits for its child, whatever signal comes; here, to the whole thread late."""
    if running.mode == "thread":
        pytest.skip("there is no signal to hold back")
    client = running.client()
    go = running.folder / "go"
    code = f"""
import os, signal
held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG, signal.SIGCONT])
try:
    {SAY}    while not os.path.exists({str(go)!r}): pass
    os.system("sleep 94.1; echo x")
finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
"""
    request = busy(client, code)
    control(client, "interrupt_request")
    go.touch()
    assert finish(client, request).ename == "KeyboardInterrupt"
    go.unlink()
    wait_for(lambda: not sleepers(running, "94.1"), "the end of the command")
    running.drop_clients()


def test_a_shell_that_is_just_starting_its_command(running: LiveHost) -> None:
    """It has its SIGINT, and waits for the command that it starts in the next moment."""
    if running.mode == "thread":
        pytest.skip("there os.system may begin behind the interrupt, which it does not hear of")
    client = running.client()
    for _ in range(20):
        request = busy(client, SAY + "import os; os.system('sleep 95.1; echo x')")
        control(client, "interrupt_request")
        assert finish(client, request).ename == "KeyboardInterrupt"
    wait_for(lambda: not sleepers(running, "95.1"), "the end of the commands")
    running.drop_clients()


def test_a_stopped_process_stays_stopped(running: LiveHost) -> None:
    """As a terminal's Ctrl-C leaves it."""
    client = running.client()
    code = f"""
import signal, subprocess, time
child = subprocess.Popen(["sleep", "95.2"])
child.send_signal(signal.SIGSTOP)
{SAY}while True: time.sleep(0.05)
"""
    request = busy(client, code)
    [child] = sleepers(running, "95.2")
    wait_for(lambda: child.status() == psutil.STATUS_STOPPED, "the stop")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert child.status() == psutil.STATUS_STOPPED
    value(client, "child.kill(); child.wait(); None")
    running.drop_clients()


def test_where_the_system_does_not_say_it_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Windows and macOS, which lack some of these names; a fake, since neither can run here."""
    monkeypatch.setattr(offspring, "_TASKS", str(tmp_path))
    monkeypatch.delattr(os, "waitid")
    for name in ("SIGCONT", "SIGKILL", "SIGSTOP"):
        monkeypatch.delattr(signal, name)
    none = offspring.Offspring(lambda: [threading.current_thread()])
    none.cell_begins()
    none.step_begins()
    assert none.living() == []
    for insists in (False, True):
        none.interrupt([], insists=insists)
        none.interrupt_late(insists)
    none.step_ends()


def test_what_an_earlier_cell_has_started_goes_on(running: LiveHost) -> None:
    client = running.client()
    value(client, "import subprocess; server = subprocess.Popen(['sleep', '92.1'])")
    own = "subprocess.Popen(['sleep', '92.2'], start_new_session=True)"
    code = f"daemon = {own}\n{SAY}import time\nwhile True: time.sleep(0.05)"
    request = busy(client, code)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert value(client, "server.poll() is None, daemon.poll() is None") == "(True, True)"
    end = "server.kill(); server.wait(); daemon.kill(); daemon.wait(); None"
    value(client, end)
    running.drop_clients()


def test_what_the_host_starts_while_the_cell_awaits(running: LiveHost) -> None:
    if running.mode in ("served", "thread"):
        pytest.skip("the kernel's thread runs no code of the host's")
    client = running.client()
    request = busy(client, SAY + "import asyncio; await asyncio.sleep(100)")
    running.do("children.append(subprocess.Popen(['sleep', '900']))")
    control(client, "interrupt_request")
    assert finish(client, request).status == "error"
    running.drop_clients()


def test_an_error_that_cannot_be_shown_as_text(running: LiveHost) -> None:
    """``%%bash`` raises such a one where nobody knows yet how the script has ended."""
    client = running.client()
    code = "import subprocess; raise subprocess.CalledProcessError(None, 'x')"
    reply = finish(client, client.execute(code))
    assert (reply.ename, reply.content["evalue"]) == (
        "CalledProcessError",
        "<exception str() failed>",
    )
    running.drop_clients()
