"""``kernel.capture_native``: what is written below Python reaches the cell's client too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import busy, cell, control, finish, value
from support.runs import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.live import LiveHost

pytestmark = pytest.mark.slow(40)

CAPTURE = "kernel={'capture_native': True}"
DESCRIPTORS = """
import os
sorted((name, os.readlink(f"/proc/self/fd/{name}")) for name in os.listdir("/proc/self/fd")
       if os.path.exists(f"/proc/self/fd/{name}"))
"""


@pytest.fixture
def started(each_host: LiveHost) -> LiveHost:
    each_host.start(CAPTURE)
    return each_host


def console(host: LiveHost, since: int) -> list[str]:
    """What the host's console has had, without what asyncio tells of a slow machine."""
    lines = host.output[since:].splitlines()
    return [line for line in lines if not line.startswith("Executing <")]


def test_c_code(started: LiveHost) -> None:
    """Through C's own buffer and past it; the console has it as ever."""
    since = len(started.output)
    code = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.puts(b"by puts")
os.write(2, b"by write\\n")
None
"""
    assert sorted(value(started.client(), code).splitlines()) == ["by puts", "by write"]
    assert sorted(console(started, since)) == ["by puts", "by write"]


def test_children(started: LiveHost) -> None:
    since = len(started.output)
    code = "import subprocess; subprocess.run(['echo', 'of the child']); None"
    assert value(started.client(), code) == "of the child\n"
    assert console(started, since) == ["of the child"]


BREAKS = {
    "close": "sys.stdout.close()",
    "with": "with sys.stdout: print('within')",
    "hush": "sys.stdout.close(); os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
    "sys.stdout = os.fdopen(os.dup(1), 'w')",
}


@pytest.mark.parametrize("code", BREAKS.values(), ids=BREAKS.keys())
def test_a_stream_that_a_cell_has_closed(started: LiveHost, code: str) -> None:
    client = started.client()
    assert cell(client, f"import os, sys\n{code}\nNone").status == "ok"
    value(client, "os.system('echo x')")
    control(client, "shutdown_request", restart=True)
    wait_for(lambda: value(client, "'sys' in globals()") == "False", "the new session")
    assert "from the child" in value(client, "import os; os.system('echo from the child')")
    assert value(client, "print('printed')") == "printed\n"


FORKED = {
    "fork": "child = os.fork()\nif not child: print('forked', flush=True); os._exit(0)\n"
    "os.waitpid(child, 0)",
    "multiprocessing": "import multiprocessing as mp\nchild = mp.get_context('fork').Process("
    "target=print, args=('forked',), kwargs={'flush': True})\nchild.start(); child.join()",
}


@pytest.mark.parametrize("code", FORKED.values(), ids=FORKED.keys())
def test_a_forked_child(started: LiveHost, code: str) -> None:
    assert value(started.client(), f"import os\n{code}\nNone") == "forked\n"


def test_a_forked_childs_output_comes_before_the_end_of_the_cell(started: LiveHost) -> None:
    """Also where the thread that usually reads it is busy with something else."""
    client = started.client()
    value(client, "import os, time; loop = get_ipython().kernel.iopub_thread.io_loop")
    hold = "loop.add_callback(time.sleep, 0.3)"
    assert value(client, f"{hold}\n{FORKED['fork']}\nNone") == "forked\n"


def test_it_is_live(started: LiveHost) -> None:
    client = started.client()
    code = "import os, time\nos.write(1, b'started\\n')\nwhile not go: time.sleep(0.01)\n'over'"
    value(client, "go = []")
    request = busy(client, code)
    started.beside("manager._embedding._session.namespace['go'].append(1)")
    assert finish(client, request).text.endswith("'over'")


def test_what_the_host_prints_stays_the_hosts(started: LiveHost) -> None:
    """Before, while and after a cell runs; what is in its buffers too."""
    since = len(started.output)
    client = started.client()
    started.beside("import sys; sys.stdout.write('before\\n')")
    request = busy(client, "import os, time; print('started', flush=True); time.sleep(0.3)")
    started.beside("print('meanwhile', flush=True)")
    seen = finish(client, request).text
    started.beside("print('after', flush=True)")
    assert "before" not in seen
    assert "meanwhile" not in seen
    shown = started.output[since:]
    assert shown.index("before") < shown.index("meanwhile") < shown.index("after")


def test_c_code_that_never_lets_go_of_pythons_lock(host: LiveHost) -> None:
    """A pipe would be full after 64 KiB, and its reader waits for the lock."""
    host.start(CAPTURE)
    code = "import ctypes; ctypes.PyDLL(None).write(1, b'x' * 1_000_000, 1_000_000)"
    reply = cell(host.client(), code)
    assert reply.text.count("x") == 1_000_000


def test_half_a_character_at_a_time(host: LiveHost) -> None:
    host.start(CAPTURE)
    client = host.client()
    first, second = "é".encode()
    value(client, f"import os, time; os.write(1, bytes([{first}])); time.sleep(0.25); None")
    assert value(client, f"os.write(1, bytes([{second}, 10])); None") == "é\n"


def test_with_echo_nothing_is_doubled(host: LiveHost) -> None:
    host.start("kernel={'capture_native': True, 'echo': True}")
    since = len(host.output)
    assert value(host.client(), "print('once', flush=True)") == "once\n"
    host.do("import sys; sys.stdout.flush()")
    assert host.output[since:] == "once\n"


def test_an_async_cell_captures_only_its_own_steps(host: LiveHost) -> None:
    host.start(CAPTURE)
    since = len(host.output)
    client = host.client()
    code = "import asyncio, os; print('started', flush=True); await asyncio.sleep(0.4); None"
    request = busy(client, code)
    host.do("import os; os.write(1, b'of the host\\n')")
    assert "of the host" not in finish(client, request).text
    assert "of the host" in host.output[since:]


def test_no_descriptor_and_no_thread_is_left(each_host: LiveHost) -> None:
    each_host.do("import threading")
    before = each_host.beside(DESCRIPTORS)
    for _ in range(3):
        each_host.start(CAPTURE)
        code = "import os, subprocess; os.write(1, b'x\\n'); subprocess.run(['echo', 'y']); None"
        assert value(each_host.client(), code).split() == ["x", "y"]
        each_host.drop_clients()
        assert each_host.stop() == []
    assert each_host.beside(DESCRIPTORS) == before
    names = each_host.beside("[thread.name for thread in threading.enumerate()]")
    assert not [name for name in names if name.startswith("hostkernel")]


def test_a_host_without_a_console(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do("import os; kept = os.dup(1); os.close(1)")
    host.start(CAPTURE)
    assert value(host.client(), "import os; os.write(1, b'seen\\n'); None") == "seen\n"
    host.drop_clients()
    assert host.stop() == []
    assert host.raises("os.fstat(1)").name == "OSError"
    host.do("os.dup2(kept, 1)")


def test_a_file_that_has_been_read_is_emptied(host: LiveHost) -> None:
    host.start(CAPTURE)
    client = host.client()
    code = "import os\nfor _ in range(17): os.write(1, b'x' * (1 << 20))\nNone"
    assert len(value(client, code)) == 17 << 20
    size = "[os.fstat(1).st_size]"
    assert value(client, f"import os; {size}") == "[0]"
    wait_for(lambda: value(client, "os.write(1, b'again\\n'); None") == "again\n", "output")
