"""Hundreds of starts, stops and soft restarts: nothing grows, nothing is lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.live import MODES, LiveHost, cell, control
from support.runs import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

# A test is the work of half a minute on a machine at leisure.
pytestmark = [pytest.mark.timeout(400), pytest.mark.slow(350)]

ROUNDS = 200
WARM_UP = 20
EVENTFD = "anon_inode:[eventfd]"
MEGABYTES = 10.0  # that the host may grow by, once it is warm

# Run inside the host before anything of ours is: who is called when the process ends, and which
# files are open. IPython's history has its journal open for moments, and to delete it the folder,
# in a thread of its own.
WATCH = """
import atexit, gc, ledger, logging, os, re, threading
exits = []
register, unregister = atexit.register, atexit.unregister
def registering(function, *args, **kwargs):
    exits.append(function)
    return register(function, *args, **kwargs)
def unregistering(function):
    exits[:] = [each for each in exits if each != function]
    return unregister(function)
vars(atexit).update(register=registering, unregister=unregistering)
def opened():
    kinds = [re.sub(r":\\[?\\d+\\]?$", "", name) for name in ledger.descriptors().values()]
    moments = ("-journal", "-journal (deleted)", "/profile_default")
    return {kind: kinds.count(kind) for kind in sorted(kinds) if not kind.endswith(moments)}
"""
READ = """
gc.collect()
{
    "descriptors": opened(),
    "threads": sorted(thread.name for thread in threading.enumerate()),
    "native threads": len(os.listdir("/proc/self/task")),
    "log handlers": sum(handler() is not None for handler in logging._handlerList),
    "atexit": sorted(f"{function.__module__}.{function.__qualname__}" for function in exits),
}
"""
RESIDENT = "int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20"


@pytest.fixture(scope="module", params=MODES)
def soaked(request: pytest.FixtureRequest, live: Callable[..., LiveHost]) -> LiveHost:
    """A host of these tests alone."""
    host = live(request.param, dev=False)
    host.do(WATCH)
    return host


def answered(client: BlockingKernelClient, number: int) -> None:
    reply = cell(client, f"print({number}); {number} * 2")
    assert (reply.status, reply.text) == ("ok", f"{number}\n{number * 2}")
    assert reply.content["execution_count"] == 1


def test_starts_and_stops(
    soaked: LiveHost,
    record_property: Callable[[str, object], None],
) -> None:
    host = soaked

    def rounds(count: int) -> None:
        for number in range(count):
            host.start()
            answered(host.quick_client(), number)
            host.drop_clients()
            assert host.stop() == []

    rounds(WARM_UP)
    host.do("from ledger import Ledger; before = Ledger()")
    first, resident = host.do(READ), host.do(RESIDENT)
    rounds(ROUNDS - WARM_UP)
    last, grown = host.do(READ), host.do(RESIDENT) - resident
    record_property("figures", figures(first, last, grown))
    assert host.do("before.differences()") == []
    assert changes(first, last) == {}
    assert grown < MEGABYTES


def restarted(client: BlockingKernelClient) -> None:
    """Restart, and wait for the word of it."""
    control(client, "shutdown_request", restart=True)
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["content"].get("execution_state") == "starting":
            return


def test_soft_restarts(
    soaked: LiveHost,
    record_property: Callable[[str, object], None],
) -> None:
    host = soaked
    host.start()
    host.stop()  # what the very first start imports is no business of restarts
    host.do("from ledger import Ledger; before = Ledger()")
    host.start()
    client = host.quick_client()
    read = host.beside if host.mode == "served" else host.do

    def rounds(count: int) -> None:
        for number in range(count):
            answered(client, number)
            assert cell(client, "%%bash\necho x").text == "x\n"  # its pipes had a thread each
            restarted(client)

    answered(client, 0)
    restarted(client)
    fresh = read(READ)["descriptors"]
    rounds(WARM_UP)
    first, resident = read(READ), read(RESIDENT)
    # The thread that sends looks every ten seconds for what the scripts' threads have left.
    first["descriptors"][EVENTFD] = fresh[EVENTFD]
    rounds(ROUNDS - WARM_UP)
    assert lasting_changes(host, first) == {}
    last, grown = read(READ), read(RESIDENT) - resident
    record_property("figures", figures(first, last, grown))
    assert grown < MEGABYTES
    host.drop_clients()
    assert host.stop() == []
    assert host.do("before.differences()") == []


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was, with what it was and is."""
    if isinstance(before, dict):
        both = {name: (before.get(name), after.get(name)) for name in before | after}
        return {name: changes(*found) for name, found in both.items() if found[0] != found[1]}
    return (before, after)


def lasting_changes(
    host: LiveHost, before: dict[str, Any], meanwhile: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """What is not as it was, and is not again within a minute."""
    found: dict[str, Any] = {}

    def is_as_it_was() -> bool:
        nonlocal found
        meanwhile()
        found = changes(before, host.beside(READ) if host.mode == "served" else host.do(READ))
        return not found

    with suppress(pytest.fail.Exception):  # what differs says more
        wait_for(is_as_it_was, "everything as it was")
    return found


def figures(first: dict[str, Any], last: dict[str, Any], grown: float) -> str:
    """What became of the host between the end of the warm-up and the last round."""

    def told(name: str) -> str:
        return f"{name} {_count(first[name])} -> {_count(last[name])}"

    return f"{ROUNDS} rounds; {', '.join(map(told, first))}; memory {grown:+.1f} MB"


def _count(seen: Any) -> int:
    if isinstance(seen, dict):
        return sum(seen.values())
    return len(seen) if isinstance(seen, list) else int(seen)
