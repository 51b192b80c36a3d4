"""``hostkernel run``: bad input, the end of a host, Ctrl-C, and detached hosts."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.world import wait_for

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from support.world import Command, World

pytestmark = pytest.mark.slow(100)

FOREVER = "import time; time.sleep(1000)"
BUSY = "import time\nfor _ in range(10_000): time.sleep(0.1)"


def odd(**settings: str) -> tuple[str, ...]:
    pairs = ((f"hosts.odd.{name}={value}") for name, value in settings.items())
    return tuple(part for pair in pairs for part in ("--set", pair))


def make_busy(world: World) -> Command:
    """Run a cell that goes on, and wait until it does."""
    cell = world.start("exec", "-c", f"print('busy', flush=True)\n{BUSY}")
    cell.until("busy")
    return cell


# Bad input


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--host", "pyton"], "Did you mean python?"),
        (["--host", ""], "there is no host ''"),
        (["-f", "broken.json"], "broken.json: this is not JSON"),
        (["-f", "empty.json"], "empty.json: this is not JSON"),
        (["-f", "."], "this is not a file"),
        (["nothing.py"], "there is no script 'nothing.py'"),
        (["--set", "kernel.log_lvel=debug"], "did you mean kernel.log_level?"),
        (["--set", "kernel"], "KEY=VALUE"),
        (["--config", "nothing.toml"], "nothing.toml"),
        (["--hots", "python"], "--host"),
    ],
)
def test_bad_input_is_told_and_nothing_starts(world: World, args: list[str], message: str) -> None:
    (world.folder / "broken.json").write_text('{"ip": ')
    (world.folder / "empty.json").touch()
    result = world.run("run", *args)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert world.is_empty()


def test_a_connection_file_in_use(world: World) -> None:
    world.start("run").until_up()
    [file] = world.runtime.glob("*.json")
    before = file.read_text()
    result = world.run("run", "-f", str(file))
    assert result.returncode == 2
    assert "a kernel is using it (python, pid" in result.stderr
    assert file.read_text() == before


def test_without_a_command_there_is_help(world: World) -> None:
    assert "Commands" in world.run().stdout
    assert world.run("--version").stdout.startswith("hostkernel ")
    result = world.run("rum")
    assert result.returncode == 2
    assert "Did you mean 'run'?" in result.stderr


# The python host, in the process of run itself


def test_run_with_nothing_else(world: World) -> None:
    run = world.start("run")
    kernel = run.until_up()
    assert kernel["pid"] == run.process.pid
    assert kernel["host"] == "python"
    assert f"jupyter console --existing kernel-{kernel['id']}.json" in run.stderr
    assert run.stdout == ""
    assert world.run("stop", kernel["id"][:8]).returncode == 0
    assert run.end() == 0
    assert world.is_empty()


def test_the_options_of_run_end_at_the_first_argument(world: World) -> None:
    (world.folder / "script.py").write_text("import sys; print(sys.argv)")
    run = world.start("run", "script.py", "--host", "nobody", "--", "-x")
    run.until_up()
    assert "['script.py', '--host', 'nobody', '--', '-x']" in run.stdout


def test_a_script_that_fails_before_the_kernel_is_up(world: World) -> None:
    (world.folder / "script.py").write_text("print('so far')\n1 / 0\n")
    result = world.run("run", "script.py")
    assert result.returncode == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert 'script.py", line 2' in result.stderr
    assert result.stdout == "so far\n"
    assert world.is_empty()


def test_a_launchers_file(world: World) -> None:
    info = ConnectionInfo.fresh()
    file = world.folder / "launcher.json"
    file.write_text(info.to_json(reveal=True))
    run = world.start("run", "-f", "launcher.json")
    run.until("hostkernel stop")
    assert ConnectionInfo.read(file).key == info.key
    assert world.exec("print(1)", "-k", "launcher.json") == "1"
    run.interrupt()
    assert run.end() == 0
    assert ConnectionInfo.read(file) == info


def test_a_file_that_is_not_there_yet(world: World) -> None:
    run = world.start("run", "-f", "new.json")
    run.until("hostkernel stop")
    file = world.folder / "new.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run.interrupt()
    assert run.end() == 0
    assert not file.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_an_idle_kernel_in_order(world: World, number: int) -> None:
    run = world.start("run")
    run.until_up()
    run.signal(number)
    assert run.end() == 0
    assert "Traceback" not in run.stderr
    assert world.is_empty()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_busy_kernel_in_order(world: World, number: int) -> None:
    run = world.start("run")
    run.until_up()
    cell = make_busy(world)
    run.signal(number)
    assert run.end() == 0
    assert cell.end() == 1
    assert "KeyboardInterrupt" in cell.stderr
    assert world.is_empty()


def test_a_hang_up_that_was_ignored_stays_ignored(world: World) -> None:
    ignoring = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from hostkernel.cli import main; sys.exit(main(['run']))"
    )
    run = world.start(python=("-c", ignoring))
    run.until_up()
    run.signal(signal.SIGHUP)
    assert world.exec("print('still here')") == "still here"


def test_ctrl_c_insists_where_a_cell_cannot_be_interrupted(world: World) -> None:
    run = world.start("run")
    run.until_up()
    cell = world.start(
        "exec", "-c",
        "import time\nprint('busy', flush=True)\nwhile True:\n"
        "    try: time.sleep(1)\n    except KeyboardInterrupt: print('no', flush=True)",
    )  # fmt: skip
    cell.until("busy")
    run.interrupt()
    cell.until("no")
    run.interrupt()
    assert run.end() == -signal.SIGINT
    assert cell.end() == 1
    assert "it is gone" in cell.stderr


# A host in a process of its own


def test_ctrl_c_ends_an_idle_host_in_order(world: World) -> None:
    run = world.odd()
    run.until_up()
    run.interrupt()
    assert run.end() == 0
    assert world.is_empty()


def test_ctrl_c_ends_a_busy_host_in_order(world: World) -> None:
    run = world.odd()
    run.until_up()
    cell = make_busy(world)
    run.interrupt()
    assert run.end() == 0
    assert "KeyboardInterrupt" in cell.stderr
    assert world.is_empty()


def test_ctrl_c_twice_ends_a_host_that_does_not_want_to(world: World) -> None:
    run = world.odd(*odd(stubborn="true", after=FOREVER))
    run.until_up()
    run.interrupt()
    run.until("press Ctrl-C again to stop at once")
    wait_for(lambda: not world.kernels(), "the end of the kernel")
    assert run.process.poll() is None
    run.interrupt()
    assert run.end() == 1
    assert "had to be killed" in run.stderr
    assert world.is_empty()


def test_ctrl_c_ends_a_host_whose_kernel_was_stopped_earlier(world: World) -> None:
    run = world.odd(*odd(after=FOREVER))
    run.until_up()
    assert world.run("stop").returncode == 0
    run.interrupt()
    assert run.end() == 1
    assert "press Ctrl-C again" not in run.stderr
    assert "ending the host" in run.stderr
    assert world.is_empty()


def test_two_hang_ups_do_not_insist(world: World) -> None:
    main = "try: kernel.run()\nfinally: import time; time.sleep(1); print('in order', flush=True)"
    run = world.odd(*odd(main=main))
    run.until_up()
    run.signal(signal.SIGHUP)
    run.until("stopping")
    run.signal(signal.SIGHUP)
    assert run.end() == 0
    assert "in order" in run.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_host_in_order(world: World, number: int) -> None:
    run = world.odd()
    run.until_up()
    run.signal(number)
    assert run.end() == 0
    assert world.is_empty()


def test_a_closed_terminal_leaves_a_host_with_a_window_alone(world: World) -> None:
    run = world.odd(*odd(windowed="true"))
    run.until_up()
    run.signal(signal.SIGHUP)
    assert world.exec("print('still here', flush=True)") == "still here"
    world.exec("import os; os.write(1, b'x' * 1_000_000)")  # Somebody must go on reading.
    assert world.run("stop").returncode == 0
    assert run.end() == 0


def test_a_host_that_crashes_later(world: World) -> None:
    run = world.odd()
    run.until_up()
    world.run("exec", "-c", "import os; os.write(2, b'last words\\n'); os.kill(os.getpid(), 11)")
    assert run.end() == 1
    assert "odd: it ended with signal SIGSEGV" in run.stderr
    assert "| last words" in run.stderr


def test_a_host_that_fails_later(world: World) -> None:
    run = world.odd(*odd(main="kernel.run(); raise SystemExit(9)"))
    run.until_up()
    assert world.run("stop").returncode == 0
    assert run.end() == 1
    assert "it ended with status 9" in run.stderr


# Detached


@pytest.mark.parametrize("host", ["python", "odd"])
def test_a_detached_host_goes_on(world: World, host: str) -> None:
    from support.world import odd_options

    kernel_id = world.detach(*(odd_options() if host == "odd" else ()))
    [kernel] = world.kernels()
    assert kernel["id"] == kernel_id
    assert kernel["host"] == host
    assert os.getsid(kernel["pid"]) == kernel["pid"]
    world.exec("import os; os.write(1, b'to the log\\n')")
    [log] = Path(world.env["XDG_STATE_HOME"]).rglob(f"{host}-{kernel_id}.log")
    assert "to the log" in log.read_text()
    assert world.run("stop", kernel_id[:8]).returncode == 0
    wait_for(world.is_empty, "the end of the host")


def test_sigterm_ends_a_detached_python_in_order(world: World) -> None:
    world.detach()
    os.kill(world.kernels()[0]["pid"], signal.SIGTERM)
    wait_for(world.is_empty, "the end of the host")


def test_a_detached_start_that_fails_shows_the_end_of_the_log(world: World) -> None:
    result = world.run_odd("--detach", *odd(before="print('last words'); 1 / 0"))
    assert result.returncode == 3
    assert "| last words" in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert result.stdout == ""


def test_three_kernels_at_once(world: World) -> None:
    from support.world import odd_options

    first, second = world.detach(), world.detach(*odd_options())
    third = world.detach()
    assert [kernel["id"] for kernel in world.kernels()] == [first, second, third]
    assert world.run("stop", second).returncode == 0
    assert [kernel["id"] for kernel in world.kernels()] == [first, third]
    assert world.run("stop", "--all").returncode == 0
    assert world.kernels() == []
    wait_for(world.is_empty, "the end of the hosts")


def test_a_command_for_a_host_that_runs_in_this_process(world: World) -> None:
    import sys

    run = world.start("run", "--set", f"hosts.python.command=['{sys.executable}', '-X', 'dev']")
    kernel = run.until_up()
    assert kernel["pid"] != run.process.pid
    assert world.exec("import sys; print(sys.flags.dev_mode)") == "True"
    run.interrupt()
    assert run.end() == 0


def test_list_as_a_table(world: World) -> None:
    assert "no kernel is running" in world.run("list").stderr
    kernel_id = world.detach()
    lines = world.run("list").stdout.splitlines()
    assert lines[0].split()[:4] == ["id", "host", "pid", "state"]
    assert lines[1].split()[:2] == [kernel_id, "python"]
    assert json.loads(world.run("list", "--json").stdout)[0]["state"] == "running"
