"""What cells print, and when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hosts.runs import run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from kernel.programs import Program

THREAD = """
import threading
thread = threading.Thread(target=print, args=("of a thread",))
thread.start()
thread.join()
"""
TURNS = """
import sys
for number in range(500):
    print(number, file=(sys.stdout, sys.stderr)[number % 2], flush=number % 3 == 0)
"""


@pytest.fixture
def client(program: Callable[..., Program]) -> BlockingKernelClient:
    return program("hostkernel.serve()").client()


def test_a_cells_output_comes_before_its_end(client: BlockingKernelClient) -> None:
    for number in range(100):
        assert run_cell(client, f"print({number}); print('!')") == f"{number}\n!\n"


def test_what_a_thread_of_the_cell_prints_comes_before_its_end(
    client: BlockingKernelClient,
) -> None:
    for _ in range(20):
        assert run_cell(client, THREAD) == "of a thread\n"


def test_nothing_is_lost_between_two_flushes(client: BlockingKernelClient) -> None:
    printed = run_cell(client, TURNS).split()
    assert sorted(map(int, printed)) == list(range(500))
