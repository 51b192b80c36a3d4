"""Cells that stop the clock of their process do not stop the kernel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import freezegun
import pytest
from support.live import LiveHost, busy, cell, control, finish, value

from hostkernel.kernel.base import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FREEZE = """
import freezegun
frozen = freezegun.freeze_time("2020-01-01")
frozen.start()
import time
"""


@pytest.fixture(params=("pumped", "served", "thread"))
def frozen(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """A host whose cells have stopped its clock. In a shared loop that is the host's own."""
    host = live_hosts(request.param)
    host.start()
    value(host.client(), FREEZE)
    yield host
    value(host.client(), "frozen.stop()")
    host.drop_clients()
    host.stop()


def test_the_clock_cannot_be_stopped() -> None:
    with freezegun.freeze_time("2020-01-01"):
        before = clock.monotonic()
        assert time.monotonic() == time.monotonic()
        clock.sleep(0.01)
        assert 0 < clock.monotonic() - before < 60


def test_cells_run_await_and_print(frozen: LiveHost) -> None:
    client = frozen.client()
    assert value(client, "time.time()") == "1577836800.0"
    assert value(client, "import asyncio; await asyncio.sleep(0.05); 6 * 7") == "42"
    busy(client, "print('started', flush=False)\nawait asyncio.sleep(0.5)")  # shown by a timer
    assert value(client, "1 + 1") == "2"


def test_a_cell_is_interrupted(frozen: LiveHost) -> None:
    client = frozen.client()
    request = busy(client, "print('started', flush=True)\nwhile True: pass")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert cell(client, "1").status == "ok"
