"""Process-wide names are the session's while its steps run, and the host's at other moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(50)

NAMES = """
import builtins, getpass, sys
def names():
    return (sys.stdin, sys.displayhook, sys.excepthook, builtins.input, getpass.getpass,
            sys.modules["__main__"], getattr(builtins, "exit", 0), getattr(builtins, "quit", 0))
held = names()
"""
SAME = """
[one is other for one, other in zip(held, names())] + [hasattr(builtins, "get_ipython")]
"""
THE_HOSTS = [True] * 8 + [False]
REPLACE = """
import asyncio, builtins, getpass, sys
sys.stdin = sys.displayhook = sys.excepthook = builtins.input = getpass.getpass = print
"""


@pytest.fixture
def started(each_host: LiveHost) -> LiveHost:
    each_host.start()
    return each_host


def test_the_host_has_its_own_between_cells_and_while_one_awaits(each_host: LiveHost) -> None:
    each_host.beside(NAMES)
    each_host.start()
    client = each_host.client()
    assert each_host.beside(SAME) == THE_HOSTS
    go = "held = __import__('asyncio').Event()\nprint('started')\nawait held.wait()\n"
    request = busy(client, f"{REPLACE}\n{go}sys.excepthook is print, sys.stdin is print")
    wait_for(lambda: each_host.beside(SAME) == THE_HOSTS, "the host's own names", pause=0.005)
    client.session.send(client.control_channel.socket, "interrupt_request", {})
    assert finish(client, request).status == "error"
    assert each_host.beside(SAME) == THE_HOSTS
    assert value(client, "sys.stdin is print") == "True"
    left = each_host.stop()
    assert each_host.beside(SAME) == THE_HOSTS
    assert left == []


def test_a_cell_that_redirects_and_awaits(each_host: LiveHost) -> None:
    """The host prints to its own console all the while."""
    each_host.beside("import sys; own = sys.stdout")
    each_host.start()
    each_host.beside("before = sys.stdout")
    client = each_host.client()
    code = """
import asyncio, contextlib, io
held, buffer = asyncio.Event(), io.StringIO()
print("started", flush=True)
with contextlib.redirect_stdout(buffer):
    print("before")
    await held.wait()
    print("after")
buffer.getvalue()
"""
    since = len(each_host.output)
    request = busy(client, code)
    # Outside of it the host's stream is the cells', so that this alone is true before, too.
    awaits = "bool(manager._embedding._session.namespace['held']._waiters) and sys.stdout is before"
    wait_for(lambda: each_host.beside(awaits), "an await", pause=0.005)
    each_host.beside("print('of the host', flush=True)")
    each_host.beside(
        "e = manager._embedding\n"
        "e.driver.loop.call_soon_threadsafe(e._session.namespace['held'].set)"
    )
    assert finish(client, request).text.endswith(repr("before\nafter\n"))
    assert "of the host" in each_host.output[since:]
    assert each_host.beside("sys.stdout is before")
    assert each_host.stop() == []
    assert each_host.beside("sys.stdout is own")


def test_what_the_host_puts_there_while_a_cell_awaits_stays(each_host: LiveHost) -> None:
    """The cell that goes on afterwards takes nothing back."""
    each_host.start()
    client = each_host.client()
    request = busy(client, "import asyncio; print('started'); await asyncio.sleep(0.5)")
    each_host.beside("import sys; sys.excepthook = hook = lambda *a: None")
    assert finish(client, request).status == "ok"
    assert each_host.beside("sys.excepthook is hook")
    each_host.stop()
    assert each_host.beside("sys.excepthook is hook")
    each_host.beside("sys.excepthook = sys.__excepthook__")


def test_a_tee_sees_what_later_cells_print(started: LiveHost) -> None:
    client = started.client()
    tee = """
import sys
class Tee:
    def __init__(self, stream): self.stream, self.log = stream, []
    def write(self, text): self.log.append(text); return self.stream.write(text)
    def __getattr__(self, name): return getattr(self.stream, name)
sys.stdout = tee = Tee(sys.stdout)
print("one")
"""
    assert value(client, tee) == "one\n"
    assert value(client, "print('two')") == "two\n"
    assert value(client, "import asyncio; await asyncio.sleep(0); print('three')") == "three\n"
    assert value(client, "''.join(tee.log)") == repr("one\ntwo\nthree\n")
    value(client, "sys.stdout = tee.stream")


def test_what_a_cell_writes_as_bytes(started: LiveHost) -> None:
    client = started.client()
    assert value(client, "import sys; n = sys.stdout.buffer.write('b\u00e9\\n'.encode())") == "bé\n"
    code = "import codecs; n = codecs.getwriter('utf-8')(sys.stdout.buffer).write('c\u00e9\\n')"
    assert value(client, code) == "cé\n"


def test_a_restart_heals_the_streams(started: LiveHost) -> None:
    client = started.client()
    breaks = (
        "import os, sys; sys.stdout = open(os.devnull, 'w')",
        "sys.stderr = None",
        "sys.displayhook = sys.excepthook = None",
    )
    for code in breaks:
        cell(client, code)
    assert value(client, "print('unseen')") == ""
    control(client, "shutdown_request", restart=True)
    wait_for(
        lambda: (
            value(client, "'breaks' in globals(), 'os' in globals()") == "(False, False)" or None
        ),
        "the new session",
    )
    code = "import sys; print('seen'); print('this too', file=sys.stderr)"
    assert sorted(value(client, code).split("\n")) == ["", "seen", "this too"]


@pytest.mark.parametrize(
    "code",
    [
        "sys.stdout.close()",
        "with sys.stdout: print('within')",
        "import io; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
        "import io; io.TextIOWrapper(sys.stdout.buffer).write('x')",
        "import os; os.close(sys.stdout.fileno())",
        "sys.stdout.buffer.write(b'bytes'); sys.stdout.buffer.close()",
    ],
)
def test_what_breaks_a_stream_elsewhere_does_not_here(started: LiveHost, code: str) -> None:
    """In the same cell, in the next, and for the host."""
    client = started.client()
    first = cell(client, f"import sys\n{code}\nprint('same cell')")
    assert first.text.endswith("same cell\n"), first.content
    assert value(client, "import gc; gc.collect(); print('next')").endswith("next\n")
    since = len(started.output)
    started.beside("print('of the host', flush=True)")
    wait_for(lambda: "of the host" in started.output[since:], "the host's own output")


def test_what_a_callback_writes_into_a_buffer_of_the_cells_is_sent(started: LiveHost) -> None:
    client = started.client()
    before = len(started.output)
    wrap = "import asyncio, io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer)"
    later = "asyncio.get_running_loop().call_later(0.01, print, 'from a callback')"
    request = client.execute(f"{wrap}; {later}; None")
    seen = ""
    while "from a callback" not in seen:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") == request:
            seen += message["content"].get("text", "")
    assert "from a callback" not in started.output[before:]


def test_a_redirected_descriptor_leads_back_after_a_restart(started: LiveHost) -> None:
    client = started.client()
    where = "import os; os.fstat(1)[:3] == before"
    started.beside("import os; before = os.fstat(1)[:3]")
    cell(client, "import os; held = os.open('log.txt', os.O_CREAT | os.O_WRONLY); os.dup2(held, 1)")
    assert started.beside(where) is False
    control(client, "shutdown_request", restart=True)
    wait_for(lambda: started.beside(where), "the host's descriptor")
    assert value(client, "print('shown')") == "shown\n"


def test_the_hosts_thread_asks_its_own_console_while_a_cell_runs(
    live_hosts: Callable[[str], LiveHost],
) -> None:
    """In thread mode the cell and the host's own code run side by side."""
    host = live_hosts("thread")
    host.beside("import io, sys; sys.stdin = io.StringIO('from the console')")
    host.start()
    client = host.client()
    request = busy(client, "import time; print('started')\nwhile True: time.sleep(0.01)")
    assert host.do("input()") == "from the console"
    client.session.send(client.control_channel.socket, "interrupt_request", {})
    finish(client, request)
    host.stop()
    host.beside("sys.stdin = sys.__stdin__")


def test_the_hosts_own_code_is_in_no_notebook(started: LiveHost) -> None:
    """Libraries ask IPython, and act otherwise where there is a shell."""
    client = started.client()
    assert value(client, "from IPython import get_ipython; get_ipython() is not None") == "True"
    assert started.beside("from IPython import get_ipython; get_ipython() is None")
    threads = "import threading; found = []\n"
    ask = "thread = threading.Thread(target=lambda: found.append(get_ipython())); thread.start()\n"
    assert value(client, f"{threads}{ask}thread.join(); found[0] is not None") == "True"


def test_the_hosts_main_thread_is_in_none_either(started: LiveHost) -> None:
    if started.mode == "served":
        pytest.skip("it belongs to the kernel")
    value(started.client(), "1")
    ask = "from IPython.core.interactiveshell import InteractiveShell as Shell; Shell.initialized()"
    assert started.do(ask) is False
    assert started.do("from IPython import get_ipython; get_ipython() is None")


def test_an_error_that_the_host_reports_is_no_error_of_the_cells(started: LiveHost) -> None:
    """C code collects it in a stream of its own: what Blender does for operators."""
    code = """
import io, sys
def report():
    try:
        1 / 0
    except ZeroDivisionError:
        held, sys.stderr = sys.stderr, io.StringIO()
        try:
            sys.excepthook(*sys.exc_info())
            return sys.stderr.getvalue()
        finally:
            sys.stderr = held
print(report().splitlines()[-1])
"""
    reply = cell(started.client(), code)
    assert reply.text == "ZeroDivisionError: division by zero\n"
    assert "error" not in {message["msg_type"] for message in reply.messages}


def test_nothing_is_left_behind_a_debugger_that_was_quit(started: LiveHost) -> None:
    started.beside(NAMES)
    client = started.client()
    request = client.execute("import pdb; pdb.set_trace(); 1\n2", allow_stdin=True)
    for answer in ("n", "q"):
        client.get_stdin_msg(timeout=60)
        client.input(answer)
    finish(client, request)
    assert started.beside(SAME) == THE_HOSTS
    assert started.stop() == []
    assert started.beside(SAME) == THE_HOSTS


def test_ipykernels_own_functions_answer(started: LiveHost) -> None:
    code = "from ipykernel.connect import get_connection_file; print(get_connection_file())"
    assert value(started.client(), code).strip() == str(started.file())


FORK = """
import os, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of threads, from Python 3.12 on
    child = os.fork()
if not child:
    print("from the child", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("from the parent")
"""


def test_a_forked_child_prints_to_the_cells_client(started: LiveHost) -> None:
    assert value(started.client(), FORK) == "from the child\nfrom the parent\n"


def test_a_forked_child_of_the_host_prints_to_the_hosts_console(started: LiveHost) -> None:
    value(started.client(), "1")
    since = len(started.output)
    started.beside(FORK)
    wait_for(lambda: "from the child" in started.output[since:], "the child's output")
