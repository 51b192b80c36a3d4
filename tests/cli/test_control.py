"""``interrupt``, ``restart``, ``logs`` and ``list --watch``; commands that need an extra."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from support.world import odd_options, wait_for

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.slow(30)

BUSY = "print('busy', flush=True)\nwhile True: pass"


def test_interrupt_and_restart(world: World) -> None:
    first, second = world.detach(), world.detach(*odd_options())
    pid = world.kernels()[0]["pid"]
    cell = world.start("exec", "-k", first, "-c", f"x = 1\n{BUSY}")
    cell.until("busy")
    assert world.kernels()[0]["activity"] == "busy"
    assert world.run("interrupt", first[:8]).stdout.startswith(f"interrupted {first}")
    assert cell.end() == 1
    assert "KeyboardInterrupt" in cell.stderr

    again = world.start("exec", "-k", first, "-c", BUSY)
    again.until("busy")
    done = world.run("restart", "-k", first)
    assert (done.returncode, done.stdout[: 10 + len(first)]) == (0, f"restarted {first}")
    assert world.exec("print('x' in globals())", "-k", first) == "False"
    assert world.kernels()[0]["pid"] == pid

    assert json.loads(world.run("interrupt", "--all", "--json").stdout) == {
        "interrupted": [first, second]
    }
    assert json.loads(world.run("restart", "--all", "--json").stdout) == {
        "restarted": [first, second]
    }
    assert json.loads(world.run("stop", "--all", "--json").stdout) == {"stopped": [first, second]}
    assert json.loads(world.run("stop", "--all", "--json").stdout) == {"stopped": []}


@pytest.mark.parametrize("command", ["interrupt", "restart", "stop", "logs", "console"])
def test_which_kernel(world: World, command: str) -> None:
    absent = world.run(command)
    assert absent.returncode in {1, 2}
    assert "no kernel is running" in absent.stderr or "no log found" in absent.stderr
    twice = world.run(command, "one", "-k", "two")
    assert twice.returncode == 2
    assert "give one of KERNEL, -k KERNEL" in twice.stderr


def test_logs(world: World) -> None:
    first = world.detach()
    world.exec("import os; os.write(1, b'one\\ntwo\\n')")
    assert world.run("logs").stdout.endswith("one\ntwo\n")
    assert world.run("logs", first[:8], "-n", "1").stdout == "two\n"
    said = json.loads(world.run("logs", "--json").stdout)
    assert said["lines"][-2:] == ["one", "two"]
    assert said["file"].endswith(f"python-{first}.log")

    follow = world.start("logs", "--follow")
    follow.until("two")
    world.exec("os.write(1, b'three\\n')")
    follow.until("three")
    assert world.run("stop").returncode == 0
    assert follow.end() == 0
    assert world.run("logs", first[:8]).stdout.count("three") == 1  # also after its end
    missing = world.run("logs", "nobody")
    assert missing.returncode == 1
    assert "no log of 'nobody' found" in missing.stderr


def test_a_host_with_a_terminal_keeps_no_log(world: World) -> None:
    world.start("run").until_up()
    result = world.run("logs")
    assert result.returncode == 1
    assert "writes no log: its output goes to the process that started it" in result.stderr


def test_list_follows_what_changes(world: World) -> None:
    watch = world.start("list", "--watch", "--json")
    watch.until("[]")
    kernel_id = world.detach()
    watch.until(kernel_id)
    assert world.run("stop").returncode == 0
    wait_for(lambda: watch.stdout.splitlines()[-1] == "[]", "the end of the kernel")
    watch.interrupt()
    assert watch.end() == 0
    states = [json.loads(line) for line in watch.stdout.splitlines()]
    assert [len(state) for state in states][:2] == [0, 1]
    table = world.start("list", "--watch")
    table.until("no kernel is running; start one with: hostkernel run")
    table.signal(signal.SIGINT)
    assert table.end() == 0


@pytest.mark.parametrize(
    ("package", "extra", "args"),
    [
        ("jupyter_console", "console", ["console"]),
        ("nbclient", "batch", ["exec", "in.ipynb", "-o", "out.ipynb"]),
    ],
)
def test_what_needs_an_extra_says_which(
    world: World, package: str, extra: str, args: list[str]
) -> None:
    (world.folder / "sitecustomize.py").write_text(f"import sys; sys.modules[{package!r}] = None")
    (world.folder / "in.ipynb").write_text('{"cells": []}')
    result = world.run(*args, PYTHONPATH=str(world.folder))
    assert result.returncode == 1
    assert f"needs {package}: pip install 'hostkernel[{extra}]'" in result.stderr
    assert not (world.folder / "out.ipynb").exists()
