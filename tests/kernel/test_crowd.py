"""Fifty clients come, run and leave as they like, and some of them are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq
from jupyter_core.utils import ensure_event_loop
from kernel.test_soak import READ, WATCH, lasting_changes
from support.live import LiveHost, cell, finish, quick_client, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(30)

CLIENTS = 44
LEAVERS = 6
AT_ONCE = 12
SEED = int(os.environ.get("HOSTKERNEL_TEST_SEED", "1"))
LEAVER = Path(__file__).with_name("leaver.py")


def visit(file: Path, number: int) -> str:
    """Come, run some cells, and leave: in order, without a word, or before the answer."""
    chooser = random.Random(1000 * SEED + number)
    with zmq.Context() as context:
        context.rcvhwm = 0
        context.linger = 0
        client = quick_client(file, context)
        try:
            for turn in range(chooser.randint(1, 4)):
                reply = cell(client, f"print({number}); {number} * {turn}", stop_on_error=False)
                if reply.status != "ok" or reply.text != f"{number}\n{number * turn}":
                    return f"client {number}: {reply}"
            if chooser.random() < 0.5:
                client.execute("1 / 0", stop_on_error=False)
        finally:
            client.stop_channels()
            ensure_event_loop().close()  # the blocking client's, one for each thread
    return ""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["pumped", "thread"])
def test_fifty_clients(live: Callable[..., LiveHost], mode: str) -> None:
    print(f"again: HOSTKERNEL_TEST_SEED={SEED}")
    host = live(mode, dev=False)
    host.do(WATCH)
    host.start()
    stays = host.quick_client()
    warm_up(stays)
    before = host.do(READ)
    pending = stays.execute("import time; time.sleep(0.5); 'still here'", stop_on_error=False)
    file = host.file()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        visits = [pool.submit(visit, file, number) for number in range(CLIENTS)]
        killed = [pool.submit(killed_while_a_reply_is_due, host, file) for _ in range(LEAVERS)]
        assert [each.result() for each in visits] == [""] * CLIENTS
        assert [each.result() for each in killed] == [-9] * LEAVERS
    assert finish(stays, pending).text == "'still here'"
    assert cell(stays, "1 + 1").text == "2"
    assert lasting_changes(host, before) == {}
    host.drop_clients()
    assert host.stop() == []


def killed_while_a_reply_is_due(host: LiveHost, file: Path) -> int:
    leaver = subprocess.Popen(
        [sys.executable, str(LEAVER), str(file)], env=host.env, stdout=subprocess.PIPE
    )
    with leaver:
        assert leaver.stdout is not None
        assert leaver.stdout.readline() == b"due\n"
        leaver.kill()
    return leaver.returncode


def test_who_comes_while_output_goes_out_is_greeted_too(host: LiveHost) -> None:
    """Sending uses up what ZeroMQ tells of a subscription: one in a hundred was not seen."""
    host.start()
    client = host.quick_client()
    for _ in range(200):
        request = client.execute("pass")
        host.quick_client().stop_channels()  # it has waited for its greeting
        finish(client, request)
