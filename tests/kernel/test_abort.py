"""What waits behind a cell that fails is not run, and what is sent at its answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import busy, finish, value
from support.runs import SECONDS

if TYPE_CHECKING:
    from support.live import LiveHost

# The thread that receives requests gets to the one behind only when the cell has failed.
FAIL = f"""
import threading, time
kernel, ran, come = get_ipython().kernel, [], threading.Event()
def hold():
    if kernel.shell_stream.socket.poll({SECONDS * 1000}):
        come.set()
        while not kernel._aborting:
            time.sleep(0.001)
kernel.shell_channel_thread.io_loop.add_callback(hold)
print("started", flush=True)
assert come.wait({SECONDS})
1 / 0
"""

# ipykernel's own step behind the answer is so slow that the next request overtakes it.
SLOW = f"""
import time
kernel = get_ipython().kernel
def slowly(*args, original=kernel._abort_queues):
    limit = time.monotonic() + {SECONDS}
    while not kernel._turns._waiting and time.monotonic() < limit:
        time.sleep(0.001)
    original(*args)
kernel._abort_queues = slowly
"""

FAIL_WITH_ONE_BEHIND = """
import time
while not get_ipython().kernel._turns._waiting:
    time.sleep(0.001)
1 / 0
"""


def test_what_came_before_the_error_is_not_run(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    failing = busy(client, FAIL)
    behind = client.execute("ran.append(1)")
    assert finish(client, failing).ename == "ZeroDivisionError"
    assert finish(client, behind).status == "aborted"
    assert value(client, "ran") == "[]"


def test_what_comes_after_the_answer_is_run(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    value(client, SLOW)
    request = client.execute("1 / 0")
    assert client.get_shell_msg(timeout=SECONDS)["parent_header"]["msg_id"] == request
    assert value(client, "'run'") == "'run'"


@pytest.mark.parametrize("how", [{"stop_on_error": False}, {"silent": True}])
def test_what_waits_behind_an_error_that_is_no_matter_is_run(
    each_host: LiveHost, how: dict[str, bool]
) -> None:
    each_host.start()
    client = each_host.client()
    failing = client.execute(FAIL_WITH_ONE_BEHIND, **how)
    behind = client.execute("'run'")
    assert finish(client, failing).ename == "ZeroDivisionError"
    assert finish(client, behind).text == "'run'"
