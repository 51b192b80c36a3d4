"""Starting a host in a process of its own: what comes up, and why what does not."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.runs import need
from support.world import odd_options

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.slow(90)

FOREVER = "import time; time.sleep(1000)"


def odd(**settings: str) -> tuple[str, ...]:
    """``--set`` for each of the odd host's settings."""
    pairs = ((f"hosts.odd.{name}={value}") for name, value in settings.items())
    return tuple(part for pair in pairs for part in ("--set", pair))


def script(folder: Path, name: str, text: str) -> str:
    """An executable shell script."""
    file = folder / name
    file.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    file.chmod(0o755)
    return str(file)


def test_a_child_host_comes_up_and_ends_with_its_kernel(world: World) -> None:
    run = world.odd()
    kernel = run.until_up()
    assert kernel["host"] == "odd"
    assert world.exec("import os; print(os.getpid())") == str(kernel["pid"])
    assert kernel["pid"] != run.process.pid
    assert world.run("stop").returncode == 0
    assert run.end() == 0
    assert world.is_empty()


def test_nothing_of_the_start_is_left_beside_the_connection_file(world: World) -> None:
    world.odd().until_up()
    [file] = world.runtime.iterdir()
    assert file.name.startswith("kernel-")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_hosts_children_do_not_inherit_the_orders(world: World) -> None:
    world.odd(*odd(env="{PASSED = 'on'}")).until_up()
    assert world.exec("import os; print(os.environ['PASSED'])") == "on"
    assert world.exec("import os; print([n for n in os.environ if 'BOOTSTRAP' in n])") == "[]"


def test_the_kernel_lives_though_the_start_scripts_namespace_was_cleared(world: World) -> None:
    run = world.odd(*odd(main="kernel.start()", after=FOREVER))
    run.until_up()
    assert world.exec("print(6 * 7)") == "42"


def test_output_passes_through_as_it_comes(world: World) -> None:
    run = world.odd(*odd(main="import sys; print('to out', flush=True); kernel.run()"))
    run.until("to out")
    run.until_up()
    world.exec("import os; os.write(2, b'to err\\n')")
    run.until("to err")
    assert "to out" in run.stdout
    assert "to err" in run.stderr


# A wrapper in place of the program that was found


def test_a_wrapper_that_stays(world: World) -> None:
    wrapper = script(world.folder, "wrapper", f'exec "{sys.executable}" "$@"\n')
    run = world.odd(*odd(command=f"['{wrapper}']"))
    run.until_up()
    assert world.run("stop").returncode == 0
    assert run.end() == 0


@pytest.mark.parametrize("detacher", ["", "setsid "], ids=["same session", "own session"])
@pytest.mark.parametrize("status", [0, 3])
def test_a_wrapper_that_exits_at_once_while_the_host_goes_on(
    world: World, detacher: str, status: int
) -> None:
    wrapper = script(
        world.folder, "wrapper", f'{detacher}"{sys.executable}" "$@" &\nexit {status}\n'
    )
    run = world.odd(*odd(command=f"['{wrapper}']"))
    kernel = run.until_up()
    assert world.exec("import os; print(os.getpid())") == str(kernel["pid"])
    run.interrupt()
    assert run.end() == 0
    assert world.is_empty()


def test_a_wrapper_that_lets_go_of_the_output_too(world: World) -> None:
    wrapper = script(
        world.folder,
        "wrapper",
        f'setsid "{sys.executable}" "$@" >"{world.folder}/own.log" 2>&1 </dev/null &\n',
    )
    run = world.odd(*odd(command=f"['{wrapper}']", before="import time; time.sleep(0.5)"))
    run.until_up()
    run.interrupt()
    assert run.end() == 0
    assert world.is_empty()


def test_a_host_behind_a_wrapper_that_crashes_later(world: World) -> None:
    wrapper = script(world.folder, "wrapper", f'setsid "{sys.executable}" "$@" &\n')
    run = world.odd(*odd(command=f"['{wrapper}']"))
    kernel = run.until_up()
    os.kill(kernel["pid"], signal.SIGKILL)
    assert run.end() == 1
    assert "without stopping its kernel" in run.stderr


def test_a_host_in_a_container_counts_processes_for_itself(world: World) -> None:
    container = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    works = subprocess.run([*container, "true"], check=False, capture_output=True).returncode == 0
    need(works, "a way to make a process namespace")
    wrapper = script(
        world.folder, "wrapper", f'exec {" ".join(container)} "{sys.executable}" "$@"\n'
    )
    run = world.odd(*odd(command=f"['{wrapper}']"))
    kernel = run.until_up()
    assert kernel["state"] == "elsewhere"
    file = kernel["connection_file"]
    assert ConnectionInfo.read(Path(file)).hostkernel is not None
    run.interrupt()
    assert run.end() == 0
    assert world.is_empty()


# Why a host did not start


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("def find(self): 1 / 0", "Broken.find: ZeroDivisionError: division by zero"),
        ("def launch(self, request): 1 / 0", "Broken.launch: ZeroDivisionError"),
        ("def launch(self, request): return None", "Broken.launch: TypeError: returned None"),
        ("def launch(self, request): return Launch()", "should return a Launch that starts"),
        (
            "launch = lambda *_: Launch(('false',))\n    def advise(self, error): 1 / 0",
            "Broken.advise: ZeroDivisionError",
        ),
        ("def __init__(self, settings): raise SystemExit(0)", "Broken.__init__: SystemExit: 0"),
        ("def veto(self): return 'not today'", "broken: not today"),
        ("def main(self, kernel, args): pass", "ended without starting its kernel"),
    ],
)
def test_an_adapter_that_is_broken(world: World, method: str, told: str) -> None:
    plugin = world.folder / "broken.py"
    plugin.write_text(
        "from hostkernel import Host, Launch, hookimpl\n"
        f"class Broken(Host):\n    name = 'broken'\n    {method}\n"
        "@hookimpl\ndef hostkernel_hosts(): return [Broken]\n"
    )
    result = world.run("run", "--host", "broken", "--set", f"plugins.paths=['{plugin}']")
    assert result.returncode == 3
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert world.is_empty()


def test_a_runtime_directory_that_cannot_be_written_to(world: World) -> None:
    file = world.folder / "file"
    file.touch()
    result = world.run("run", *odd_options(), JUPYTER_RUNTIME_DIR=str(file / "runtime"))
    assert result.returncode == 3
    assert f"nothing can be written to {file / 'runtime'}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_log_that_cannot_be_written(world: World) -> None:
    file = world.folder / "file"
    file.touch()
    result = world.run("run", "--detach", XDG_STATE_HOME=str(file))
    assert result.returncode == 3
    assert "cannot be written: Not a directory" in result.stderr
    assert world.is_empty()


def test_a_program_that_is_not_there(world: World) -> None:
    result = world.run_odd(*odd(command="['/no/such/program']"))
    assert result.returncode == 3
    assert "/no/such/program cannot be run: No such file or directory" in result.stderr
    assert "[hosts.odd] command" in result.stderr


def test_a_host_that_dies_before_the_bootstrap(world: World) -> None:
    before = "import sys; print('last words', flush=True); sys.exit(7)"
    result = world.run_odd(*odd(before=before, advice="ask somebody"))
    assert result.returncode == 3
    assert "ask somebody (7)" in result.stderr
    assert "it ended with status 7 before its kernel was up" in result.stderr
    assert "| last words" in result.stderr
    assert f"command: {sys.executable} -c" in result.stderr
    assert world.is_empty()


def test_a_host_that_a_signal_kills(world: World) -> None:
    result = world.run_odd(*odd(before="import os; os.kill(os.getpid(), 11)"))
    assert result.returncode == 3
    assert "it ended with signal SIGSEGV before its kernel was up" in result.stderr


def test_a_host_that_dies_in_the_middle_of_the_start(world: World) -> None:
    result = world.run_odd(*odd(main="import os; os._exit(5)"))
    assert result.returncode == 3
    assert "it ended with status 5" in result.stderr
    assert "step: running the host" in result.stderr


def test_a_command_that_ends_well_without_a_host(world: World) -> None:
    result = world.run_odd(*odd(program="['true']"))
    assert result.returncode == 3
    assert "the command ended, and no host appeared" in result.stderr


def test_a_bootstrap_that_fails_in_a_host_that_goes_on(world: World) -> None:
    main = "print('some output', flush=True); raise ValueError('no such thing')"
    result = world.run_odd(*odd(main=main, after=FOREVER))
    assert result.returncode == 3
    assert "odd did not start: ValueError: no such thing" in result.stderr
    assert "Traceback (most recent call last)" in result.stderr
    assert "| some output" in result.stderr
    assert world.is_empty()


def test_a_host_that_goes_on_after_a_failure_and_ignores_being_asked_to_end(world: World) -> None:
    before = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    result = world.run_odd(*odd(before=before, main="1 / 0", after=FOREVER))
    assert result.returncode == 3
    assert "ZeroDivisionError" in result.stderr
    assert world.is_empty()


def test_an_exit_before_the_kernel_is_up(world: World) -> None:
    result = world.run_odd(*odd(main="raise SystemExit(4)"))
    assert result.returncode == 3
    assert "it exited with status 4 before its kernel was up" in result.stderr


def test_a_module_that_is_missing_inside(world: World) -> None:
    result = world.run_odd(*odd(before="import sys; sys.modules['ipykernel'] = None"))
    assert result.returncode == 3
    assert "step: importing the kernel" in result.stderr
    assert "ipykernel" in result.stderr


def test_a_host_that_never_comes_up(world: World) -> None:
    result = world.run_odd(*odd(before=FOREVER), "--set", "kernel.start_timeout=0.5")
    assert result.returncode == 3
    assert "its kernel was not up after 0.5 s" in result.stderr
    assert "It never ran hostkernel's start script" in result.stderr
    assert world.is_empty()


def test_a_host_that_is_stuck_in_its_start(world: World) -> None:
    result = world.run_odd(*odd(main=FOREVER), "--set", "kernel.start_timeout=3")
    assert result.returncode == 3
    assert "step: running the host" in result.stderr
    assert "never ran" not in result.stderr


def test_settings_are_checked_again_inside(world: World) -> None:
    """The plugin inside may be another than the one outside."""
    plugin = world.folder / "host_of_two_minds.py"
    plugin.write_text(
        textwrap.dedent(
            """
            import os, sys
            from hostkernel import Host, HostSettings, Launch, hookimpl

            class Settings(HostSettings):
                level: int | str = 1

            if "INSIDE" in os.environ:
                class Settings(HostSettings):
                    level: int = 1

            class Minds(Host):
                name = "minds"
                settings_model = Settings

                def launch(self, request):
                    return Launch((sys.executable, str(request.bootstrap)), {"INSIDE": "1"})

            @hookimpl
            def hostkernel_hosts():
                return [Minds]
            """
        )
    )
    options = (f"plugins.paths=['{plugin}']", "hosts.minds.level=high")
    result = world.run("run", "--host", "minds", "--set", options[0], "--set", options[1])
    assert result.returncode == 3
    assert "hosts.minds.level" in result.stderr
    assert "Traceback" not in result.stderr


def test_ctrl_c_during_the_start_ends_the_host(world: World) -> None:
    run = world.odd(*odd(main=f"print('here', flush=True); {FOREVER}"))
    run.until("here")
    run.interrupt()
    assert run.end() == 3
    assert "interrupted" in run.stderr
    assert world.is_empty()


# Whether it answers

DEAF = """
import sys, time
from hostkernel import Host, HostLoop, Launch, hookimpl

class Deaf(HostLoop):
    def start(self, tick): pass
    def wake(self): pass
    def stop(self): pass

class DeafHost(Host):
    name = "deaf"
    def loop(self): return Deaf()
    def launch(self, request): return Launch((sys.executable, str(request.bootstrap)))
    def main(self, kernel, args):
        kernel.run()
        time.sleep(1000)

@hookimpl
def hostkernel_hosts(): return [DeafHost]
"""


IMPATIENT = """
import sys
from hostkernel.cli import main
from hostkernel.launch import answer
answer._PATIENCE = 1.0
sys.exit(main())
"""


def test_a_host_that_gives_its_kernel_no_turn_is_told_of(world: World) -> None:
    (world.folder / "deaf.py").write_text(DEAF)
    options = ("--host", "deaf", "--set", f"plugins.paths=['{world.folder / 'deaf.py'}']")
    run = world.start("run", "--detach", *options, python=("-c", IMPATIENT))
    assert run.end() == 0
    assert run.stdout.strip() == world.kernels()[0]["id"]
    assert "deaf: its main thread has not given the kernel a turn for 1 s" in run.stderr
    assert "hostkernel stop " in run.stderr


def test_a_host_that_answers_is_not_told_of(world: World) -> None:
    assert "turn" not in world.run("run", "--detach", *odd_options()).stderr


def test_a_host_whose_python_is_known_is_not_started_to_ask(world: World) -> None:
    """Not even the packages for it can be had here, so that it is not started at all."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.devnull, "PIP_CONFIG_FILE": os.devnull}
    before = f"open({str(world.folder / 'started')!r}, 'w')"
    result = world.run("run", *odd_options(), *odd(python="'3.99'", before=before), **offline)
    assert result.returncode == 3
    assert "its Python is 3.99, hostkernel is installed for" in result.stderr
    assert not (world.folder / "started").exists()


def test_what_was_told_of_its_python_may_be_wrong(world: World) -> None:
    run = world.odd(*odd(python="'3.10'"))  # too old to be served, if it were true
    assert run.until_up()["host"] == "odd"
