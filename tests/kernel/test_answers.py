"""Every request is answered, also one that a signal handler of a cell's comes between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import cell, finish, value

if TYPE_CHECKING:
    from support.live import LiveHost

pytestmark = pytest.mark.slow(20)

# The handler runs at that very instruction: before what the kernel does there, or behind it.
ARM = """
import signal, threading
kernel = get_ipython().kernel
def late(*_): raise TimeoutError("the cell's own")
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGALRM, late)
    ring = lambda: signal.raise_signal(signal.SIGALRM)
else:
    ring = late
original = kernel.{name}
def once(*args, **kwargs):
    del kernel.{name}
    if {behind}: original(*args, **kwargs)
    ring()
    return original(*args, **kwargs)
"""
# In the order in which a request meets them. The last two come at the end of the cell that
# arms them, the others at the next.
PLACES = ("set_parent", "init_metadata", "_publish_execute_input", "finish_metadata")
DISARM = (
    "if threading.current_thread() is threading.main_thread(): signal.signal(14, signal.SIG_DFL)"
)


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("name", PLACES)
def test_a_signal_handler_that_raises_in_the_kernels_own_work(
    each_host: LiveHost, name: str, behind: bool
) -> None:
    each_host.start()
    client = each_host.client()
    value(client, ARM.format(name=name, behind=behind))
    requests = [client.execute(f"kernel.{name} = once")]
    replies = [finish(client, requests[0]), cell(client, "1 + 1"), cell(client, "2 + 2")]
    assert [reply.ename for reply in replies].count("TimeoutError") == 1
    assert value(client, "1 + 1") == "2"
    value(client, DISARM)


@pytest.mark.parametrize("state", ["busy", "idle"])
def test_one_that_raises_as_the_state_is_published(each_host: LiveHost, state: str) -> None:
    """Clients wait for "idle" as they do for the answer."""
    each_host.start()
    client = each_host.client()
    value(client, ARM.format(name="_publish_status", behind=False))
    value(client, "publish = once")
    value(
        client,
        f"""
def at_the_state(state, *args, **kwargs):
    if state == {state!r}: kernel._publish_status = once
    return (kernel._publish_status if state == {state!r} else original)(state, *args, **kwargs)
kernel._publish_status = at_the_state
""",
    )
    for _ in range(3):
        cell(client, "1 + 1")
    assert value(client, "1 + 1") == "2"
    value(client, DISARM)


def test_a_handler_of_the_kernels_that_fails(each_host: LiveHost) -> None:
    """Upstream logs it, and the client waits for ever."""
    each_host.start()
    client = each_host.client()
    value(client, "kernel = get_ipython().kernel; kernel.do_is_complete = lambda code: 1 / 0")
    request = client.is_complete("1")
    reply = finish(client, request)
    assert (reply.status, reply.ename) == ("error", "ZeroDivisionError")
    value(client, "del kernel.do_is_complete")
    assert finish(client, client.is_complete("1")).status == "complete"
