"""Exceptions while a served kernel is idle: whose they are, and what is left of the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import LiveHost, value
from support.runs import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_HANDLER = """
before = signal.getsignal(signal.SIGINT)
class OwnError(Exception): pass
def own_handler(*_):
    raise OwnError
def exiting(*_):
    raise SystemExit(4)
signal.signal(signal.SIGALRM, own_handler)
signal.signal(signal.SIGTERM, exiting)
manager = make()
"""

HELPERS = """
import ctypes, os, signal, sys, threading
def waits(thread):
    return sys._current_frames()[thread].f_code.co_name == "select"
def kernels_thread():
    threads = {thread.name: thread.ident for thread in threading.enumerate()}
    return threads.get("hostkernel", threading.main_thread().ident)
def hit():
    ident, error = ctypes.c_ulong(kernels_thread()), ctypes.py_object(KeyError)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, error) == 1
def descriptors():
    return len(os.listdir("/proc/self/fd"))
"""

CELLS_HANDLER = """
import signal
def handler(*_):
    raise {error}
signal.signal(signal.SIGALRM, handler)
"""


def when_idle(host: LiveHost, code: str) -> None:
    """Run code beside the kernel's thread while that waits for something to do."""
    wait_for(lambda: host.beside("waits(kernels_thread())"), "a kernel with nothing to do")
    host.beside(code)


@pytest.fixture(scope="module")
def served(live_hosts: Callable[[str], LiveHost]) -> LiveHost:
    host = live_hosts("served")
    host.do(HELPERS)
    return host


@pytest.mark.parametrize(("number", "name"), [("SIGALRM", "OwnError"), ("SIGTERM", "SystemExit")])
def test_what_the_program_raises_ends_it_and_leaves_nothing(
    served: LiveHost, number: str, name: str
) -> None:
    served.do(OWN_HANDLER)
    counts = []
    for _ in range(2):  # the first kernel of a process leaves what every later one uses
        served.start()
        value(served.client(), "1")
        served.drop_clients()
        when_idle(served, f"signal.pthread_kill(kernels_thread(), signal.{number})")
        with pytest.raises(Exception, match=name):
            served.serving.value()
        assert not served.running
        assert served.beside("manager.state.value") == "idle"
        assert served.do("signal.getsignal(signal.SIGINT) is before")
        assert served.files() == []
        counts.append(served.beside("descriptors()"))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("error", ["ValueError", "KeyboardInterrupt", "SystemExit"])
def test_what_a_cells_handler_raises_does_not(served: LiveHost, error: str) -> None:
    served.do("manager = make()")
    served.start()
    client = served.client()
    value(client, CELLS_HANDLER.format(error=error))
    when_idle(served, "signal.pthread_kill(kernels_thread(), signal.SIGALRM)")
    assert value(client, "1 + 1") == "2"
    assert served.running
    served.drop_clients()
    served.stop()


@pytest.mark.parametrize("mode", ["served", "thread"])
def test_what_another_thread_has_raised_does_not(
    live_hosts: Callable[[str], LiveHost], mode: str
) -> None:
    host = live_hosts(mode)
    host.do(f"{HELPERS}\nmanager = make()")
    host.start()
    client = host.client()
    value(client, "1")
    when_idle(host, "hit()")
    client.kernel_info()  # the thread is hit at its next instruction
    assert value(client, "1 + 1") == "2"
    assert host.running
    host.drop_clients()
    host.stop()
