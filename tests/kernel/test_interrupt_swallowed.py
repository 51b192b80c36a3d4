"""An interrupt that a callback swallows comes again; a cell's own ``except`` is respected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import MODES, LiveHost, busy, control, finish, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(70)

BEGIN = """
import contextlib, ctypes, functools, sys, time, weakref
done = 0
def slow(*_):
    global done
    if not done:
        print("started", flush=True)
    done += 1
    time.sleep(0.05)
    return 0
"""
# Each goes on for a minute where the interrupt is lost.
SWALLOWING = {
    "ctypes": "call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)\nfor _ in range(1200): call()",
    "__del__": """
class Object:
    __del__ = slow
for _ in range(1200): Object()
""",
    "weakref": """
class Object: pass
for _ in range(1200):
    it = Object()
    watch = weakref.ref(it, slow)
    del it
""",
    "a callback inside a callback": """
kind = ctypes.PYFUNCTYPE(ctypes.c_int)
inner = kind(slow)
def between():
    for _ in range(3): inner()
    return 0
outer = kind(between)
for _ in range(400): outer()
""",
    "one statement after the other": (
        "call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)\n" + "call()\n" * 600
    ),
    "an async cell": """
import asyncio
call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)
while True:
    call()
    await asyncio.sleep(0)
""",
    "a profiled cell": """
import cProfile
call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)
def loop():
    for _ in range(1200): call()
cProfile.runctx("loop()", globals(), {})
""",
    "a traced cell": """
def tracer(frame, event, argument): return tracer
call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)
sys.settrace(tracer)
try:
    for _ in range(1200): call()
finally:
    print("tracer" if sys.gettrace() is tracer else "gone")
    sys.settrace(None)
""",
    "a cell traced by an object": """
class Tracer:
    def __call__(self, frame, event, argument): return self
tracer = Tracer()
call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)
sys.settrace(tracer)
try:
    for _ in range(1200): call()
finally:
    print("tracer" if sys.gettrace() is tracer else "gone")
    sys.settrace(None)
""",
}
PROPAGATING = {
    "sort key": "sorted(range(1200), key=functools.cmp_to_key(lambda a, b: slow() or a - b))",
    "hasattr": """
class Object:
    it = property(slow)
for _ in range(1200): hasattr(Object(), "it")
""",
}
CAUGHT = {
    "except KeyboardInterrupt": "try: REST\nexcept KeyboardInterrupt: pass",
    "except BaseException": "try: REST\nexcept BaseException: pass",
    "bare except, in a function": """
def sleep():
    try: REST
    except: return "caught"
sleep()
""",
    "suppress": "with contextlib.suppress(KeyboardInterrupt): REST",
    "context manager": """
@contextlib.contextmanager
def mine():
    try: yield
    except KeyboardInterrupt: pass
with mine(): REST
""",
    "finally inside": """
try:
    try: REST
    finally: [*range(3)]
except KeyboardInterrupt: pass
""",
    "another exception": """
def sleep():
    try: REST
    except KeyboardInterrupt: raise ValueError
try: sleep()
except ValueError: pass
""",
    "generator": """
def values():
    try:
        while True:
            slow()
            yield 1
    except KeyboardInterrupt:
        yield 2
for each in values():
    if each == 2: break
""",
    "around what swallows it": """
call = ctypes.PYFUNCTYPE(ctypes.c_int)(slow)
while True:
    try: call()
    except KeyboardInterrupt: break
""",
}


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """The module's kernel in each of the four modes."""
    host = live_hosts(request.param)
    host.start()
    yield host
    host.drop_clients()
    assert host.stop() == []


def nobody_traces(host: LiveHost) -> None:
    client = host.client()
    assert value(client, "import sys; print(sys.gettrace(), sys._getframe().f_trace)") == (
        "None None\n"
    )
    assert value(client, "1 + 1") == "2"
    host.drop_clients()


@pytest.mark.parametrize("code", SWALLOWING.values(), ids=SWALLOWING.keys())
def test_where_a_callback_swallows_it(running: LiveHost, code: str) -> None:
    client = running.client()
    request = busy(client, BEGIN + code)
    assert control(client, "interrupt_request") == {"status": "ok"}
    reply = finish(client, request)
    assert reply.ename in {"KeyboardInterrupt", "CancelledError"}, reply
    assert "hostkernel" not in "".join(reply.content["traceback"])
    assert int(value(client, "done")) < 100
    if "tracer" in code:
        assert "tracer\n" in reply.text
    running.drop_clients()
    nobody_traces(running)


@pytest.mark.parametrize("code", PROPAGATING.values(), ids=PROPAGATING.keys())
def test_where_c_passes_it_on(running: LiveHost, code: str) -> None:
    client = running.client()
    request = busy(client, BEGIN + code)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    running.drop_clients()
    nobody_traces(running)


@pytest.mark.parametrize("code", CAUGHT.values(), ids=CAUGHT.keys())
def test_what_the_cell_catches_itself(running: LiveHost, code: str) -> None:
    # Off the main thread a call in C is interrupted when it returns.
    rest = "time.sleep(60)" if running.mode != "thread" else "[slow() for _ in range(1200)]"
    code = code.replace("REST", f"print('started', flush=True); {rest}")
    client = running.client()
    request = busy(client, BEGIN + code + "\n'went on'")
    control(client, "interrupt_request")
    reply = finish(client, request)
    assert reply.status == "ok", reply
    assert reply.text.endswith("'went on'")
    running.drop_clients()
    nobody_traces(running)


FINALIZERS = {
    "catches nothing": "time.sleep(0.5)",
    "catches everything": """
        try: time.sleep(0.5)
        except: pass
""",
}


@pytest.mark.parametrize("body", FINALIZERS.values(), ids=FINALIZERS.keys())
def test_a_finalizer_that_happens_to_run(running: LiveHost, body: str) -> None:
    """The garbage collector calls it in the middle of anything, and its handlers are its own."""
    client = running.client()
    code = f"""
import gc, time
class Dead:
    def __del__(self):
        print("started", flush=True)
        {body}
def work():
    gc.collect()
    for _ in range(1200): time.sleep(0.05)
gc.disable()
dead = Dead()
dead.itself = dead
del dead
try: work()
finally: gc.enable()
"""
    request = busy(client, code)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    running.drop_clients()
    nobody_traces(running)


def test_ten_presses(running: LiveHost) -> None:
    """Each is either the end of the cell or was caught by it."""
    client = running.client()
    code = """
call, caught = ctypes.PYFUNCTYPE(ctypes.c_int)(slow), 0
while caught < 10:
    try: call()
    except KeyboardInterrupt: caught += 1
"""
    request = busy(client, BEGIN + code)
    for _ in range(200):
        control(client, "interrupt_request")
        if not running.beside("manager._embedding.kernel.is_busy"):
            break
    reply = finish(client, request)
    if reply.status == "ok":
        assert value(client, "caught") == "10"
    else:  # a press hit what the cell does between its calls
        assert reply.ename == "KeyboardInterrupt"
        assert int(value(client, "caught")) <= 10
    running.drop_clients()
    nobody_traces(running)
