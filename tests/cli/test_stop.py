"""``hostkernel stop``."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.world import odd_options, wait_for

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.slow(30)

BUSY = "import time\nprint('busy', flush=True)\nfor _ in range(10_000): time.sleep(0.1)"


def test_stop_interrupts_a_busy_kernel(world: World) -> None:
    kernel_id = world.detach()
    cell = world.start("exec", "-c", BUSY)
    cell.until("busy")
    result = world.run("stop", "-k", kernel_id)
    assert result.returncode == 0
    assert result.stdout.startswith(f"stopped {kernel_id}")
    assert cell.end() == 1
    wait_for(world.is_empty, "the end of the host")


def test_the_host_goes_on_unless_told_otherwise(world: World) -> None:
    after = "hosts.odd.after=import time; time.sleep(1000)"
    world.detach(*odd_options(), "--set", after)
    pid = world.kernels()[0]["pid"]
    assert world.run("stop").returncode == 0
    assert world.kernels() == []
    assert pid in [process.pid for process in world.processes()]


def test_stop_can_end_the_host_too(world: World) -> None:
    after = "hosts.odd.after=import time; time.sleep(1000)"
    world.detach(*odd_options(), "--set", after)
    assert world.run("stop", "--exit-host").returncode == 0
    wait_for(world.is_empty, "the end of the host")


def test_stop_without_a_kernel(world: World) -> None:
    assert world.run("stop").returncode == 2
    result = world.run("stop", "--all")
    assert result.returncode == 0
    assert "no kernel is running" in result.stderr


def test_bad_input(world: World) -> None:
    world.detach()
    for args in (["one", "-k", "two"], ["one", "--all"], ["-k", "one", "--all"]):
        result = world.run("stop", *args)
        assert result.returncode == 2
        assert "one of KERNEL" in result.stderr
    assert "no running kernel matches 'nobody'" in world.run("stop", "nobody").stderr
    assert len(world.kernels()) == 1


def test_a_kernel_that_does_not_answer(world: World) -> None:
    world.detach()
    [kernel] = world.kernels()
    os.kill(kernel["pid"], signal.SIGSTOP)
    try:
        result = world.run("stop")
    finally:
        os.kill(kernel["pid"], signal.SIGCONT)
    assert result.returncode == 1
    assert "could not stop: no answer within 5 s" in result.stderr


def test_a_cell_that_cannot_be_interrupted(world: World) -> None:
    world.detach()
    cell = world.start(
        "exec", "-c",
        "import time\nprint('busy', flush=True)\nend = time.monotonic() + 4\n"
        "while time.monotonic() < end:\n"
        "    try: time.sleep(0.1)\n    except KeyboardInterrupt: pass",
    )  # fmt: skip
    cell.until("busy")
    assert world.run("stop").returncode == 0
    wait_for(world.is_empty, "the end of the host")


def test_stop_with_a_launchers_file(world: World) -> None:
    run = world.start("run", "-f", str(world.runtime / "kernel-launched.json"))
    run.until("hostkernel stop")
    assert world.run("stop", "launched").returncode == 0
    assert run.end() == 0
