"""Each host passes exactly what stock ipykernel passes of jupyter_kernel_test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.kinds import KINDS, arguments
from support.world import SECONDS, World

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow(30)

# Besides, stock loses its welcome now and then, to a client that comes while something is sent.
FAILS_ON_STOCK = {"Protocol.test_history (hist_access_type='range')"}
PROGRAM = Path(__file__).with_name("protocol.py")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Completion reads a good part of the standard library, but only once."""
    return tmp_path_factory.mktemp("cache")


def outcomes(world: World, kernel: str, cache: Path) -> dict[str, str]:
    """What became of each test and each of its parts, by kernelspec."""
    done = subprocess.run(
        [sys.executable, PROGRAM, kernel],
        env=world.env | {"XDG_CACHE_HOME": str(cache)},
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, str]:
    """The same of stock ipykernel."""
    return outcomes(World(tmp_path_factory.mktemp("stock")), "python3", cache)


def test_all_of_it_is_tried(stock: dict[str, str]) -> None:
    said = list(stock.values())
    assert said.count("passed") >= 30
    assert not [each for each in said if each.startswith("skipped")], stock
    assert {name for name in FAILS_ON_STOCK if stock[name] != "passed"} == FAILS_ON_STOCK


@pytest.mark.parametrize("kind", KINDS)
def test_each_host_passes_what_stock_ipykernel_passes(
    stock: dict[str, str], cache: Path, world: World, install: Callable[..., None], kind: str
) -> None:
    install("--name", "host", *arguments(kind, world.folder))
    found = outcomes(world, "host", cache)
    assert found.keys() == stock.keys()
    assert {name for name, said in found.items() if said != "passed"} == FAILS_ON_STOCK, found
    assert list(world.processes()) == []
    assert world.kernels() == []
