"""What only a terminal gets to see: the spinner, the panel, colours, completion."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.terminal import Terminal
from support.world import SECONDS, odd_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.world import World

pytestmark = pytest.mark.slow(30)


@pytest.fixture
def terminal(world: World) -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []

    def start(*args: str) -> Terminal:
        terminals.append(Terminal(world, *args))
        return terminals[-1]

    yield start
    for each in terminals:
        each.close()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_the_panel(terminal: Callable[..., Terminal], world: World) -> None:
    run = terminal("run")
    shown = plain(run.until("╰"))
    [kernel] = world.kernels()
    assert "─ hostkernel ─" in shown
    assert f"hostkernel exec -k {kernel['id'][:8]} -c 'print(1)'" in shown
    folded = "".join(line.strip(" │\r") for line in shown.splitlines())
    assert kernel["connection_file"] in folded
    assert f"jupyter console --existing kernel-{kernel['id']}.json" in shown


def test_the_spinner_and_the_hosts_output_do_not_mix(terminal: Callable[..., Terminal]) -> None:
    main = "import time; time.sleep(0.5); print('of the host', flush=True); time.sleep(0.5)"
    run = terminal("run", *odd_options(), "--set", f"hosts.odd.main={main}; kernel.run()")
    shown = run.until("╰")
    assert "starting odd" in shown
    assert "running the host" in shown
    lines = [line.rpartition("\r")[2] for line in plain(shown).split("\n")]
    assert "of the host" in [line.strip() for line in plain(shown).replace("\r", "\n").split("\n")]
    assert not [line for line in lines if "starting odd" in line and "of the host" in line]


def test_ctrl_c_in_the_terminal_reaches_run_alone(
    terminal: Callable[..., Terminal], world: World
) -> None:
    run = terminal("run", *odd_options())
    run.until("╰")
    world.exec("import signal; signal.signal(signal.SIGINT, lambda *_: print('hit', flush=True))")
    run.type("\x03")
    run.until("press Ctrl-C again to stop at once")
    assert run.process.wait(SECONDS) == 0
    assert "hit" not in run.shown


@pytest.mark.parametrize("options", [(), odd_options()], ids=["python", "odd"])
def test_a_terminal_that_is_closed_ends_the_host_in_order(
    terminal: Callable[..., Terminal], world: World, options: tuple[str, ...]
) -> None:
    run = terminal("run", *options)
    run.until("╰")
    run.hang_up()
    assert run.process.wait(SECONDS) == 0
    assert world.is_empty()


def test_errors_have_colours_in_a_terminal(terminal: Callable[..., Terminal], world: World) -> None:
    world.detach()
    assert "\x1b[" in terminal("exec", "-c", "1 / 0").until("division by zero")


def test_a_password_is_not_shown(terminal: Callable[..., Terminal], world: World) -> None:
    world.detach()
    cell = terminal("exec", "-c", "import getpass; print(len(getpass.getpass('word? ')) * 'x')")
    cell.until("word? ")
    cell.type("sesame\n")
    assert "sesame" not in cell.until("xxxxxx")


def complete(world: World, *words: str) -> set[str]:
    """What bash would offer after ``hostkernel WORDS``."""
    result = subprocess.run(
        [sys.executable, "-m", "hostkernel"],
        env=world.env
        | {
            "_HOSTKERNEL_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("hostkernel", *words)),
            "COMP_CWORD": str(len(words)),
        },
        cwd=world.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    return set(result.stdout.split())


def test_completion(world: World) -> None:
    first, second = world.detach(), world.detach(*odd_options())
    assert {"run", "list", "exec", "stop", "config"} <= complete(world, "")
    assert complete(world, "ex") == {"exec"}
    assert "python" in complete(world, "run", "--host", "")
    assert complete(world, "run", "--host", "py") == {"python"}
    assert complete(world, "stop", "") == {first, second}
    assert complete(world, "stop", first[:6]) == {first}
    assert complete(world, "exec", "-k", second[:6]) == {second}


def test_completion_can_be_shown(world: World) -> None:
    shown = world.run("--show-completion", SHELL="/bin/bash").stdout
    assert shown == "" or "_HOSTKERNEL_COMPLETE" in shown
