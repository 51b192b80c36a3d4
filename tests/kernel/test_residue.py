"""After ``stop()`` the process is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.live import MODES, LiveHost, cell, value
from support.runs import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(60)

CELLS = (
    "print('printed'); 1 + 1",
    "import asyncio; await asyncio.sleep(0.01)",
    "1 / 0",
    "!echo shell",
    "%timeit -n1 -r1 pass",
    "class Kept: pass",
    "display('shown')",
    "import comm; c = comm.create_comm(target_name='nobody'); c.close()",
)


def use(host: LiveHost, *cells: str) -> None:
    """A client comes, runs cells, and goes."""
    client = host.client()
    for code in cells or CELLS:
        cell(client, code)
    host.drop_clients()


def cycle(host: LiveHost, *cells: str) -> list[str]:
    """Start, use, stop; what the stop left."""
    host.start()
    use(host, *cells)
    return host.stop()


# A host that has looked at nothing of ours yet, with things of its own in every place.
OWN_THINGS = """
import builtins, comm, logging, os, pdb, sys, warnings

class OwnStream:
    encoding = "utf-8"
    def __init__(self):
        self.written = []
    def write(self, text):
        self.written.append(text)

class OwnPdb(pdb.Pdb):
    pass

def own(*args, **kwargs):
    pass

def own_excepthook(*args):
    pass

comm.create_comm = own
sys.excepthook = own_excepthook
sys.displayhook = own
sys.breakpointhook = own
sys.ps1 = "own> "
builtins.display = own
pdb.Pdb = OwnPdb
os.environ["MPLBACKEND"] = "own"
os.environ["PAGER"] = "own"
warnings.filterwarnings("ignore", message="own")
sys.path.append("/own")

handler = logging.FileHandler("own.log", mode="w")
logging.getLogger("own").addHandler(handler)
logging.getLogger("tornado").setLevel("DEBUG")
logging.getLogger("traitlets").addHandler(logging.NullHandler())
quiet = logging.getLogger("own.quiet")
quiet.disabled = True
logging.getLogger("own").warning("before")
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_host_that_has_never_heard_of_kernels(live: Callable[..., LiveHost], mode: str) -> None:
    """The first start imports everything; its traces go too."""
    host = live(mode)
    host.do(OWN_THINGS + "from ledger import Ledger; before = Ledger()")
    assert cycle(host) == []
    assert host.do("before.differences()") == []
    host.do("logging.getLogger('own').warning('after'); count = before.atexit_count")
    assert (host.folder / "own.log").read_text() == "before\nafter\n"
    assert [cycle(host), cycle(host)] == [[], []]
    assert host.do("before.differences()") == []


def test_importing_the_kernel_alone_changes_nothing(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        """
from pathlib import Path
sys.path.insert(0, os.environ["TESTS"])
import comm
from ledger import Ledger
def own(): pass
comm.create_comm = own
before = Ledger()
import hostkernel.kernel.manager
left = [line for line in before.differences() if "ProvisionalCompleterWarning" not in line]
left = [line for line in left if "dir(__main__)" not in line]
tell(left=left)
""",
        TESTS=str(LiveHost.program.parent),
    )
    # Of the filters one stays, which is about a warning of IPython's own.
    assert facts["left"] == []


STREAMS = {
    "without fileno": "OwnStream()",
    "None": "None",
    "a text file": "open('console.txt', 'w')",
    "not flushable, not a file": "type('S', (), {'write': lambda self, text: None})()",
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_streams_of_any_kind_are_given_back(
    host: LiveHost, stream: str, request: pytest.FixtureRequest
) -> None:
    host.do(
        f"""
import sys
class OwnStream:
    def __init__(self): self.written = []
    def write(self, text): self.written.append(text)
console = (sys.stdout, sys.stderr)
own = sys.stdout, sys.stderr = ({stream}, {stream})
"""
    )
    try:
        host.start()
        assert value(host.client(), "print('to the client')") == "to the client\n"
        host.do("print('to the host'); kept = sys.stdout")
        host.drop_clients()
        assert host.stop() == []
        assert host.do("(sys.stdout is own[0], sys.stderr is own[1])") == [True, True]
        # Somebody kept our stream: it forwards for ever.
        host.do("kept.write('later'); kept.flush(); print('later', file=kept)")
        if stream == "OwnStream()":
            assert host.do("''.join(own[0].written)") == "to the host\nlaterlater\n"
    finally:
        host.do("sys.stdout, sys.stderr = console")


HANDLERS = {
    "python": "signal.signal(signal.SIGINT, lambda number, frame: hits.append('python'))",
    "python's own": "signal.signal(signal.SIGINT, signal.default_int_handler)",
    "ignored": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "default": "signal.signal(signal.SIGINT, signal.SIG_DFL)",
    "C": """
import ctypes
libc = ctypes.CDLL(None)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal(int(signal.SIGINT), ctypes.cast(libc.abs, ctypes.c_void_p).value)
""",
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS.keys())
def test_signal_actions_stay_at_every_level(each_host: LiveHost, handler: str) -> None:
    host = each_host
    signals = "from hostkernel.kernel.process import sigaction as signals"
    host.do(f"import signal; hits = []\n{handler}\n{signals}")
    read = "[(signals.action(n).hex(), repr(signal.getsignal(n))) for n in signal.valid_signals()]"
    before = host.do(read)
    assert cycle(host, "1") == []
    assert host.do(read) == before
    host.do("signal.signal(signal.SIGINT, signal.default_int_handler)")


def test_what_somebody_changed_since_is_left_and_named(host: LiveHost) -> None:
    host.do("import sys, builtins, os, signal; was = sys.stdout; hook = sys.breakpointhook")
    host.start()
    host.do(
        """
sys.stdout = theirs = type("Theirs", (), {"write": lambda *a: 1, "flush": lambda *a: 1})()
builtins.display = theirs
names = [s for s in ("SIGURG", "SIGCONT") if callable(signal.getsignal(getattr(signal, s)))]
number = getattr(signal, names[0])
signal.signal(number, signal.SIG_IGN)
"""
    )
    left = host.stop()
    assert [line.split()[0] for line in left if "handler" not in line] == [
        "sys.stdout",
        "builtins.display",
    ]
    assert ["SIGURG" in line for line in left if "handler" in line] == [True]
    assert host.do("[sys.stdout is theirs, builtins.display is theirs]") == [True, True]
    assert host.do("signal.getsignal(number) is signal.SIG_IGN")
    host.do("sys.stdout = was; del builtins.display; signal.signal(number, signal.SIG_DFL)")
    assert cycle(host, "1") == []


def test_what_cells_changed_is_the_users(host: LiveHost) -> None:
    left = cycle(host, "import sys, os; sys.mine = 'mine'; os.environ['MINE'] = 'yes'")
    assert left == []
    assert host.do("import os, sys; [sys.mine, os.environ.pop('MINE')]") == ["mine", "yes"]
    host.do("del sys.mine")


def test_a_soft_restart_leaves_nothing_either(each_host: LiveHost) -> None:
    host = each_host
    cycle(host, "1")
    host.do("from ledger import Ledger; before = Ledger()")
    host.start()
    client = host.client()
    for number in range(3):
        value(client, f"x = {number}; print(x)")
        host.do("manager.restart()", "beside")
        assert wait_for(lambda: "False" in value(client, "'x' in globals()"), "a fresh namespace")
    host.drop_clients()
    assert host.stop() == []
    assert host.do("before.differences()") == []


def test_cycles_leave_nothing_behind(each_host: LiveHost) -> None:
    host = each_host
    for _ in range(3):
        cycle(host, "1")
    host.do(
        """
import gc, weakref
from hostkernel.kernel.ipython.app import HostKernelApp
from ledger import Ledger
before = Ledger()
"""
    )
    for _ in range(8):
        assert cycle(host, "1", "print(2)") == []
    assert host.do("before.differences()") == []
    living = "gc.collect(); [type(o).__name__ for o in gc.get_objects() if type(o).__name__ in ("
    assert host.do(living + "'IPKernelApp', 'IPythonKernel', 'ZMQInteractiveShell')]") == []


def test_the_history_is_kept_and_its_database_closed(host: LiveHost) -> None:
    cycle(host, "remembered = 'by the history'")
    host.start()
    client = host.client()
    assert "by the history" in value(client, "%history -l 3")
    opened = (
        "import os; from pathlib import Path; "
        "[p for p in map(os.path.realpath, Path('/proc/self/fd').iterdir()) if 'history' in p]"
    )
    assert host.do(opened)
    host.drop_clients()
    host.stop()
    assert host.do(opened) == []


def test_nothing_of_ours_is_called_when_the_process_ends(
    told: Callable[..., dict[str, Any]],
) -> None:
    facts = told(
        """
import atexit, threading
called = []
def watch(frame, event, argument):
    if event == "call" and frame.f_back is None:
        called.append(frame.f_code.co_filename)
def report():
    sys.setprofile(None)
    tell(called=called)
atexit.register(report)
import hostkernel.kernel.manager
atexit.register(lambda: sys.setprofile(watch))
count = []
for _ in range(3):
    kernel = hostkernel.start()
    drive(kernel, "1 + 1", "1 / 0")
    kernel.stop()
    count.append(atexit._ncallbacks())
"""
    )
    ours = [name for name in facts["called"] if "hostkernel" in name or "ipykernel" in name]
    assert ours == []
