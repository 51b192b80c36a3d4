"""Three kernels in different hosts at once, told apart by everything that lists and stops them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.runs import SECONDS, Run, run_cell, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow(30)

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
            wait_for(
                partial(_there_are, number, run),
                partial("{}:\n{.output}".format, name, run),
            )
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


def names(row: dict[str, Any]) -> list[str]:
    """Whatever may name a kernel."""
    assert row["title"] or row["host"] == "python"
    return [name for name in (row["id"][:8], row["host"], str(row["pid"]), row["title"]) if name]


def refused(run: Run, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hostkernel", *args],
        env=run.env,
        cwd=run.folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_the_command_line_reaches_the_one_it_names(runs: dict[str, Run]) -> None:
    for row in listed(runs).values():
        for name in names(row):
            answer = runs["python"].hostkernel(
                "exec", "-k", name, "-c", "import os; print(os.getpid())"
            )
            assert (name, int(answer)) == (name, row["pid"])


def test_the_command_line_that_names_none_is_told_all(runs: dict[str, Run]) -> None:
    rows = listed(runs)
    for command in (["exec", "-c", "1"], ["interrupt"], ["restart"], ["stop"]):
        said = refused(runs["python"], *command)
        assert "several kernels are running; name one by id, host, pid or title:" in said
        for row in rows.values():
            assert f"{row['id']}  {row['host']}, pid {row['pid']}" in said
    said = refused(runs["python"], "exec", "-k", "nobody", "-c", "1")
    assert "no running kernel matches 'nobody'; running:" in said
    assert listed(runs).keys() == rows.keys()


# A kernel manager: for each kernelspec and value of HOSTKERNEL_ATTACH, the pid that it reaches.
MANAGER = """
import json, os, sys
from jupyter_client.manager import start_new_kernel

seen = []
for name, wanted in json.loads(sys.argv[1]):
    os.environ["HOSTKERNEL_ATTACH"] = wanted
    try:
        manager, client = start_new_kernel(kernel_name=name, startup_timeout=60)
    except Exception as error:
        seen.append(str(error))
        continue
    texts = []
    client.execute_interactive(
        "import os; print(os.getpid())",
        timeout=60,
        output_hook=lambda message: texts.append(message["content"].get("text", "")),
    )
    seen.append("".join(texts).strip())
    client.stop_channels()
    manager.shutdown_kernel()
print(json.dumps(seen))
"""


def test_a_kernel_manager_reaches_the_one_it_names(runs: dict[str, Run]) -> None:
    """By HOSTKERNEL_ATTACH, and by what the kernelspec says."""
    run, rows = runs["python"], listed(runs)
    run.hostkernel("kernelspec", "install", "--attach")
    wanted = {("hostkernel", name): row["pid"] for row in rows.values() for name in names(row)}
    for host, row in rows.items():
        name = names(row)[-1]
        run.hostkernel("kernelspec", "install", "--attach", "-k", name, "--name", f"the-{host}")
        wanted["the-" + host, ""] = row["pid"]
    # The variable is the stronger of the two.
    wanted["the-qt", rows["blender"]["id"]] = rows["blender"]["pid"]

    assert managed(run, *wanted) == [str(pid) for pid in wanted.values()]
    none, nobody = managed(run, ("hostkernel", ""), ("hostkernel", "nobody"))
    assert "several kernels are running; name one by id, host, pid or title" in none
    assert "no running kernel matches 'nobody'; running:" in nobody
    for row in rows.values():
        assert row["id"] in none
        assert row["id"] in nobody
    assert listed(runs).keys() == rows.keys()


def managed(run: Run, *kernels: tuple[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", MANAGER, json.dumps(kernels)],
        env=run.env,
        cwd=run.folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: list[str] = json.loads(done.stdout.splitlines()[-1])
    return seen


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
