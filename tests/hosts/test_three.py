"""Three kernels in different hosts at once, told apart by everything that lists and stops them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hosts.runs import Run, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "qt_window.py"
HOSTS = {
    "python": (),
    "qt": (str(EXAMPLE),),
    "blender": (),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    home = tmp_path_factory.mktemp("three")
    with ExitStack() as stack:
        started: dict[str, Run] = {}
        for number, (name, args) in enumerate(HOSTS.items(), start=1):
            options = ("--set", "hosts.blender.executable=bpy", "--host", name)
            run = Run(home, *options, *args, QT_QPA_PLATFORM="offscreen")
            stack.callback(run.close)
            wait_for(partial(_there_are, number, run), f"{name}:\n{run.output}")
            started[name] = run
        yield started


def _there_are(count: int, run: Run) -> bool:
    return len(run.files()) == count


def listed(runs: dict[str, Run]) -> dict[str, dict[str, Any]]:
    rows = json.loads(runs["python"].hostkernel("list", "--json"))
    return {row["host"]: row for row in rows}


def test_they_are_listed_and_reached_each_by_its_name(runs: dict[str, Run]) -> None:
    rows = listed(runs)
    assert rows.keys() == HOSTS.keys()
    for name, row in rows.items():
        assert row["pid"] == runs[name].process.pid
        assert row["state"] in {"running", "idle"}
        assert Path(row["connection_file"]).name == f"kernel-{row['id']}.json"
        answer = runs[name].hostkernel("exec", "-k", name, "-c", "import os; print(os.getpid())")
        assert int(answer) == row["pid"]


def test_stop_by_id_stops_that_one(runs: dict[str, Run]) -> None:
    rows = listed(runs)
    runs["python"].hostkernel("stop", rows["qt"]["id"][:8])
    assert listed(runs).keys() == {"python", "blender"}
    # The program with the window goes on without its kernel.
    assert runs["qt"].process.poll() is None
    runs["python"].hostkernel("stop", "blender")
    assert listed(runs).keys() == {"python"}
    assert runs["blender"].end() == 0
    assert run_cell(runs["python"].client(), "1 + 1") == "2"
