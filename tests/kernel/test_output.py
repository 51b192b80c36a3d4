"""What is printed reaches who it is for: the cell's client, or the host's own console."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.live import LiveHost, busy, cell, control, finish, value, wait_started
from support.runs import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(80)


@pytest.fixture
def started(each_host: LiveHost) -> LiveHost:
    each_host.start()
    return each_host


def console(host: LiveHost, since: int) -> str:
    return host.output[since:]


def texts(messages: list[dict[str, Any]], name: str) -> str:
    """What one of the streams carried."""
    streams = [m["content"] for m in messages if m["msg_type"] == "stream"]
    return "".join(content["text"] for content in streams if content["name"] == name)


def test_a_cells_output_goes_to_its_client_alone(started: LiveHost) -> None:
    since = len(started.output)
    code = "import sys; print('out-of-cell'); print('err-of-cell', file=sys.stderr)"
    reply = cell(started.client(), code)
    assert texts(reply.messages, "stdout") == "out-of-cell\n"
    assert texts(reply.messages, "stderr") == "err-of-cell\n"
    assert "of-cell" not in console(started, since)


def test_it_is_live(started: LiveHost) -> None:
    """It arrives while the cell runs, also when nothing is flushed by hand."""
    client = started.client()
    request = busy(client, "import time; print('started'); time.sleep(1); 'over'")
    assert not client.shell_channel.socket.poll(0)
    assert finish(client, request).text == "'over'"


PRINTS = """
import threading, time

[sender] = [each for each in threading.enumerate() if each.name == "IOPub"]

def turns():
    with open(f"/proc/self/task/{sender.native_id}/status") as status:
        return [int(line.split()[1]) for line in status if line.startswith("voluntary")][0]

def compute():
    until = time.perf_counter() + 0.005
    while time.perf_counter() < until:
        pass

disturbed = 0
for number in range(300):
    print("line", number)
    before = turns()
    compute()
    disturbed += turns() != before
disturbed
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
@pytest.mark.parametrize("mode", ["pumped", "served"])
def test_where_a_host_wants_it_nothing_is_sent_while_a_cell_computes(
    live_hosts: Callable[[str], LiveHost], mode: str
) -> None:
    """The sending thread sleeps, but for the cell's first moment and housekeeping."""
    host = live_hosts(mode)
    host.do("class Fragile(LiveHost): undisturbed = True")
    for make, allowed in (("host=Fragile", range(4)), ("", range(6, 301))):
        host.start(make)
        reply = cell(host.client(), PRINTS)
        lines = "".join(f"line {number}\n" for number in range(300))
        assert texts(reply.messages, "stdout") == lines
        [result] = [m for m in reply.messages if m["msg_type"] == "execute_result"]
        assert int(result["content"]["data"]["text/plain"]) in allowed
        host.stop()


SWITCHES = """
import json, os, threading, time

names = {each.native_id: each.name for each in threading.enumerate()}
names.pop(threading.get_native_id())

def turns():
    counts = {}
    for number, name in names.items():
        with open(f"/proc/self/task/{number}/status") as status:
            lines = [line.split() for line in status if "voluntary" in line]
        counts[name] = sum(int(value) for _, value in lines)
    return counts

before = turns()
time.sleep(0.3)  # without Python's lock, as a call into the application
print(json.dumps([name for name, count in turns().items() if count != before[name]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
@pytest.mark.parametrize("mode", ["pumped", "served"])
def test_where_a_host_wants_it_the_kernels_threads_sleep_while_a_cell_runs(
    live_hosts: Callable[[str], LiveHost], mode: str
) -> None:
    """Also in the moment a cell begins, and where its history is written."""
    host = live_hosts(mode)
    host.do("class Fragile(LiveHost): undisturbed = True")
    host.start("host=Fragile")
    client = host.client()
    value(client, "warm = 1")
    awake = [set(json.loads(texts(cell(client, SWITCHES).messages, "stdout"))) for _ in range(12)]
    # The heartbeat is C. One of them all may wake up for housekeeping, once in a while.
    awake = [found - {"Heartbeat"} for found in awake]
    assert sum(map(bool, awake)) <= 4, awake
    assert not any("IPythonHistorySavingThread" in found for found in awake)
    host.stop()


def test_where_nothing_is_sent_meanwhile_output_is_live_all_the_same(
    live_hosts: Callable[[str], LiveHost],
) -> None:
    host = live_hosts("served")
    host.do("class Fragile(LiveHost): undisturbed = True")
    host.start("host=Fragile")
    client = host.client()
    code = "import time; print('a'); print('b'); print('c', end=''); time.sleep(2)"
    request = client.execute(code)
    seen = ""
    while "c" not in seen:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["msg_type"] == "stream":
            seen += message["content"]["text"]
    assert not client.shell_channel.socket.poll(0)
    finish(client, request)
    show = "from IPython.display import display; display(1); print(2, flush=True); 3"
    kinds = [m["msg_type"] for m in cell(client, show).messages if "status" not in m["msg_type"]]
    assert kinds == ["execute_input", "display_data", "stream", "execute_result"]
    host.stop()


def test_each_client_sees_its_own_request_named(started: LiveHost) -> None:
    one, other = started.client(), started.client()
    mine = one.execute("print('of one')")
    finish(one, mine)
    seen = []
    while not seen:
        message = other.get_iopub_msg(timeout=SECONDS)
        if message["msg_type"] == "stream":
            seen.append(message)
    assert seen[0]["parent_header"]["msg_id"] == mine


THREAD = """
import threading, time
def work():
    print("at once")
    go.wait(30)
    print("from the thread")
go = threading.Event()
worker = threading.Thread(target=work)
worker.start()
"""


def test_threads_that_a_cell_started_are_the_cells(started: LiveHost) -> None:
    since = len(started.output)
    client = started.client()
    first = client.execute(THREAD)
    finish(client, first)
    finish(client, client.execute("go.set(); worker.join()"))
    text = ""
    while "from the thread" not in text and client.iopub_channel.socket.poll(0):
        text += str(client.get_iopub_msg(timeout=SECONDS)["content"])
    assert "from the thread" not in console(started, since)


def test_output_of_a_thread_names_the_cell_that_started_it(host: LiveHost) -> None:
    host.start()
    client = host.client()
    first = client.execute(THREAD)
    finish(client, first)
    client.execute("go.set(); worker.join()")
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if "from the thread" in message["content"].get("text", ""):
            break
    assert message["parent_header"]["msg_id"] == first


def test_output_of_a_task_between_cells(started: LiveHost) -> None:
    since = len(started.output)
    client = started.client()
    code = """
import asyncio
async def later():
    await asyncio.sleep(0.2)
    print("from the task")
task = asyncio.get_running_loop().create_task(later())
await asyncio.sleep(0)
"""
    first = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if "from the task" in message["content"].get("text", ""):
            break
    assert message["parent_header"]["msg_id"] == first
    assert "from the task" not in console(started, since)


def test_what_the_host_prints_between_cells_stays_in_its_console(started: LiveHost) -> None:
    if started.mode == "served":
        pytest.skip("the host does nothing while it serves")
    since = len(started.output)
    client = started.client()
    value(client, "print('of the cell')")
    started.do("import sys; print('of the host', flush=True)")
    assert "of the host" in console(started, since)
    assert "of the host" not in value(client, "1")


def test_what_the_hosts_threads_print_stays_there_too(started: LiveHost) -> None:
    since = len(started.output)
    client = started.client()
    request = busy(client, "import time; print('started', flush=True); time.sleep(0.5); 'over'")
    started.beside("print('of the host', flush=True)")
    reply = finish(client, request)
    assert "of the host" not in reply.text
    assert "of the host" in console(started, since)


def test_a_thread_that_the_host_starts_while_a_cell_awaits(host: LiveHost) -> None:
    host.start()
    since = len(host.output)
    client = host.client()
    request = busy(client, "import asyncio; print('started'); await asyncio.sleep(0.5); 'over'")
    host.do(
        """
import threading
thread = threading.Thread(target=lambda: print("of the host", flush=True))
thread.start()
thread.join()
"""
    )
    assert "of the host" not in finish(client, request).text
    assert "of the host" in console(host, since)


def test_a_host_that_takes_the_streams_away_in_between(live: Callable[..., LiveHost]) -> None:
    """As consoles inside applications do: they replace sys.stdout when they are opened."""
    host = live("pumped")
    host.start()
    client = host.client()
    assert value(client, "print('before')") == "before\n"
    host.do(
        """
import sys
class Console:
    def __init__(self): self.written = []
    def write(self, text): self.written.append(text)
    def flush(self): pass
opened = Console()
sys.stdout = sys.stderr = opened
"""
    )
    assert value(client, "print('after')") == "after\n"
    host.do("print('of the host')")
    assert host.do("''.join(opened.written)") == "of the host\n"
    host.drop_clients()
    left = host.stop()
    assert [line.split()[0] for line in left] == ["sys.stdout", "sys.stderr"]
    assert host.do("sys.stdout is opened")


def test_a_stream_that_somebody_keeps_forwards_for_ever(host: LiveHost) -> None:
    host.do("import logging, sys")
    host.start()
    host.do(
        """
kept = sys.stdout
handler = logging.StreamHandler(sys.stderr)
logging.getLogger("kept").addHandler(handler)
"""
    )
    assert host.stop() == []
    since = len(host.output)
    host.do("print('one', file=kept, flush=True); logging.getLogger('kept').error('two')")
    host.start()
    host.do("print('three', file=kept, flush=True)")
    assert host.stop() == []
    # In development mode asyncio also says there what took long.
    said = [line for line in console(host, since).split("\n") if "Executing <" not in line]
    assert said == ["one", "two", "three", ""]
    host.do("logging.getLogger('kept').removeHandler(handler)")


def test_children_write_where_the_host_does(host: LiveHost) -> None:
    host.start()
    since = len(host.output)
    code = "import subprocess, sys; subprocess.run(['echo', 'of the child'], stdout=sys.stdout)"
    assert cell(host.client(), code).status == "ok"
    assert "of the child" in console(host, since)


def test_a_hundred_thousand_lines_arrive_whole(started: LiveHost) -> None:
    reply = cell(started.client(), "for n in range(100_000): print(n)")
    assert reply.text == "".join(f"{n}\n" for n in range(100_000))


def test_a_large_display_arrives_whole(host: LiveHost) -> None:
    host.start()
    size = 100_000_000
    code = f"display({{'application/x-test': 'begin' + 'x' * {size - 8} + 'end'}}, raw=True)"
    reply = cell(host.client(), code)
    [shown] = [m for m in reply.messages if m["msg_type"] == "display_data"]
    found = shown["content"]["data"]["application/x-test"]
    assert (len(found), found[:6], found[-4:]) == (size, "beginx", "xend")
    assert host.do("'the host goes on'") == "the host goes on"


@pytest.mark.parametrize("mode", ["pumped", "shared"])
def test_the_hosts_loop_ticks_on_between_cells(
    live_hosts: Callable[[str], LiveHost], mode: str
) -> None:
    """However much is queued and printed: its turn comes after the cell that runs."""
    host = live_hosts(mode)
    host.start()
    client = host.client()
    code = "print('started', flush=True)\nfor n in range(20_000): print(n)"
    first, second = busy(client, code), client.execute(code)
    third = client.execute("import time; print('started', flush=True); time.sleep(60)")
    turn = host.post("counts['turns']")
    finish(client, first)
    finish(client, second)
    wait_started(client, third)
    assert turn.here
    control(client, "interrupt_request")
    assert finish(client, third).ename == "KeyboardInterrupt"
    host.drop_clients()
    host.stop()


def test_output_just_before_the_end_is_not_lost(started: LiveHost) -> None:
    client = started.client()
    code = "for n in range(2000): print(n)\nimport hostkernel; hostkernel.stop(); print('last')"
    reply = cell(client, code)
    assert reply.text.split("\n")[1999:2001] == ["1999", "last"]
    started.wait_stopped()


def test_odd_things_are_written(started: LiveHost) -> None:
    client = started.client()
    assert cell(client, "import sys; sys.stdout.write(b'bytes')").ename == "TypeError"
    assert value(client, "import sys; sys.stdout.write('five!'); None") == "five!"
    assert value(client, "print('\\udcff'.encode('utf8', 'replace'))") == "b'?'\n"
    assert value(client, "import sys; sys.stdout.isatty()") == "False"
    assert value(client, "import sys; sys.stdout.encoding").lower() == "'utf-8'"


def test_a_host_without_streams(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do("import sys; sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None")
    host.start()
    client = host.client()
    assert value(client, "print('seen')") == "seen\n"
    assert cell(client, "1 / 0").ename == "ZeroDivisionError"
    assert value(client, "!echo shell").split() == ["shell"]


def test_what_a_broken_flush_left_comes_before_the_result(each_host: LiveHost) -> None:
    """An interrupt that hits it must not have it taken for done."""
    each_host.start()
    code = """
import sys
thread, broken = sys.stdout.pub_thread, []
def schedule(function):
    broken.append(function)
    raise KeyboardInterrupt
print("first")
thread.schedule = schedule
try:
    sys.stdout.flush()
except KeyboardInterrupt:
    pass
del thread.schedule
len(broken)
"""
    assert cell(each_host.client(), code).text == "first\n1"


def test_a_thread_that_the_host_starts_while_a_cell_runs(started: LiveHost) -> None:
    """As a web server does for each request."""
    since = len(started.output)
    client = started.client()
    request = busy(client, "import time; print('started', flush=True); time.sleep(0.5); 'over'")
    serve = "threading.Thread(target=print, args=('of a request',), kwargs={'flush': True})"
    started.beside(f"import threading; thread = {serve}; thread.start(); thread.join()")
    assert "of a request" not in finish(client, request).text
    assert "of a request" in console(started, since)


LATER = {
    "a thread of a comm's callback": "threading.Thread(target=print, args=('later',)).start()",
    "a timer of a comm's callback": "threading.Timer(0.05, print, ('later',)).start()",
}


@pytest.mark.parametrize("code", LATER.values(), ids=LATER.keys())
def test_what_a_comms_callback_starts_prints_each_time(started: LiveHost, code: str) -> None:
    """As a widget's callback does."""
    client = started.client()
    handler = f"def opened(*_):\n    {code}\n"
    register = 'comm.get_comm_manager().register_target("late", opened)'
    value(client, f"import comm, threading\n{handler}{register}")
    for number in range(3):
        content = {"comm_id": str(number), "target_name": "late", "data": {}}
        message = client.session.msg("comm_open", content)
        client.shell_channel.send(message)
        shown = client.get_iopub_msg(timeout=SECONDS)
        while "later" not in shown["content"].get("text", ""):
            shown = client.get_iopub_msg(timeout=SECONDS)
        assert shown["parent_header"]["msg_id"] == message["header"]["msg_id"]


def test_a_stream_of_the_hosts_with_a_softspace(host: LiveHost) -> None:
    """IPython prints an empty line for it."""
    host.do("import sys; held = sys.stdout; type('S', (), {})")
    host.do(
        """
class Soft:
    softspace = 1
    def __getattr__(self, name): return getattr(held, name)
sys.stdout = Soft()
"""
    )
    host.start()
    client = host.client()
    assert value(client, "print('first')") == "first\n"
    assert value(client, "1 + 1") == "2"
    host.drop_clients()
    assert host.stop() == []
    host.do("sys.stdout = held")
