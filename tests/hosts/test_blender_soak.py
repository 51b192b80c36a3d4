"""Many cells in one Blender window, with file loads and undos in between."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from hosts.soak import MEASURE, PREPARE, cells
from support.runs import need, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.runs import Run

pytestmark = pytest.mark.slow(30)

CELLS = 500
SMALL = '["--window-geometry", "0", "0", "320", "240"]'


@pytest.mark.timeout(300)
def test_500_cells_with_loads_and_undos(start_run: Callable[..., Run], display: str) -> None:
    need(shutil.which("blender"), "Blender on PATH")
    settings = (f"executable={shutil.which('blender')}", "factory_startup=true", f"args={SMALL}")
    options = [f"--set=hosts.blender.{setting}" for setting in settings]
    client = start_run("--host", "blender", *options, DISPLAY=display).client()
    run_cell(client, PREPARE)
    before = ""
    for number, (code, expected) in enumerate(cells(CELLS)):
        assert run_cell(client, code) == expected, f"cell {number}: {code}"
        if number == CELLS // 5:
            before = min(run_cell(client, MEASURE) for _ in range(5))
    wait_for(lambda: run_cell(client, MEASURE) == before, f"{before} descriptors and threads")
