"""``hostkernel run --host blender``: the one that is chosen, why none starts, and its end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from support.kinds import cheap_window
from support.runs import need, need_module, run_cell, wait_for
from support.windows import Frames, window_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.runs import Run

pytestmark = pytest.mark.slow(70)

BLENDER = shutil.which("blender") or "blender"
SMALL = cheap_window(480, 320)
CRASH = "import ctypes; ctypes.string_at(0)"
NEWER = "Blender 4.1 and newer have Python 3.11 or newer"


@pytest.fixture(scope="module")
def start(start_run: Callable[..., Run]) -> Callable[..., Run]:
    """Start ``hostkernel run --host blender`` with these settings of ``hosts.blender``."""
    need(shutil.which("blender"), "Blender on PATH")

    def start(*args: str, env: dict[str, str] | None = None, **settings: str) -> Run:
        options = [f"--set=hosts.blender.{name}={value}" for name, value in settings.items()]
        return start_run("--host", "blender", *options, *args, **(env or {}))

    return start


def program(path: Path, source: str) -> Path:
    """A program that stands for a Blender."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    path.chmod(0o755)
    return path


# Which one


def test_a_version_chooses_among_real_blenders(start: Callable[..., Run]) -> None:
    need_module("bpy")
    program_ = start(version="3.4", background="true", factory_startup="true")
    assert run_cell(program_.client(), "bpy.app.version[:2]") == "(3, 4)"
    module = start(version="5")
    assert run_cell(module.client(), "bpy.app.version[0], bpy.app.binary_path") == "(5, '')"
    shown = json.loads(module.hostkernel("hosts", "--json"))
    [blender] = [host for host in shown if host["name"] == "blender"]
    found = [blender, *blender["others"]]
    assert [each["version"][:3] for each in found] == ["3.4", "5.0"]
    assert {each["python"] for each in found} == {"3.11"}
    table = module.hostkernel("hosts")
    assert all(each["path"] in table for each in found)


def test_a_version_that_is_not_there(start: Callable[..., Run]) -> None:
    run = start(version="2.93")
    assert run.end() == 3
    assert "no Blender 2.93 was found" in run.output
    assert f"There is 3.4.1 ({BLENDER})" in run.output


def test_a_version_that_the_named_one_is_not(start: Callable[..., Run]) -> None:
    run = start(version="4.2", executable=BLENDER)
    assert run.end() == 3
    assert f"hosts.blender.version is 4.2, but {BLENDER} is Blender 3.4.1" in run.output


def test_a_wrong_version_is_told(start: Callable[..., Run]) -> None:
    run = start(version="newest")
    assert run.end() == 2
    assert "hosts.blender.version" in run.output
    assert "Traceback" not in run.output


# Why none starts


def test_a_wrong_path(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(executable=str(tmp_path / "blender"))
    assert run.end() == 3
    assert (
        f"hosts.blender.executable is {tmp_path / 'blender'}: there is no such file" in run.output
    )
    assert "leave it out to search" in run.output


def published(folder: Path, version: str, python: str, source: str) -> Path:
    """A Blender as its makers publish it, with its Python beside it."""
    inside = folder / version / "python"
    (inside / "lib" / f"python{python}").mkdir(parents=True)
    program(inside / "bin" / f"python{python}", "")
    return program(folder / "blender", source)


def test_one_that_is_too_old_is_not_even_started(start: Callable[..., Run], tmp_path: Path) -> None:
    """Known by the folders that Blender's makers publish; the program stands for theirs."""
    old = published(tmp_path, "3.6", "3.10", f"#!/bin/sh\ntouch {tmp_path}/started; sleep 1000")
    run = start(executable=str(old))
    assert run.end() == 3
    assert "Blender 3.6's Python is 3.10; hostkernel needs 3.11 or newer" in run.output
    assert NEWER in run.output
    assert not (tmp_path / "started").exists()


OLD = """#!/bin/sh
# As an old Blender's window: the script is run, and then it stays.
while [ "$1" != --python ]; do shift; done
{python} "$2"
exec sleep 1000
"""


def test_one_that_is_too_old_says_so_itself(start: Callable[..., Run], tmp_path: Path) -> None:
    """As where no folder tells: a program with a real Python 3.10 stands for that Blender."""
    found = sorted(Path.home().glob(".pyenv/versions/3.10.*/bin/python"))
    need(found, "Python 3.10")
    old = program(tmp_path / "blender", OLD.format(python=found[-1]))
    run = start(executable=str(old), background="true")
    assert run.end() == 3
    assert "this host's Python is 3.10; hostkernel needs 3.11 or newer" in run.output
    assert NEWER in run.output
    wait_for(lambda: not running(old), "the end of the program")


def running(script: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if _names(each, str(script))]


def _names(process: psutil.Process, word: str) -> bool:
    return word in (process.info["cmdline"] or ())


def test_one_that_crashes_at_start(start: Callable[..., Run], tmp_path: Path) -> None:
    dying = program(tmp_path / "blender", "#!/bin/sh\necho no such GPU; kill -SEGV $$")
    run = start(executable=str(dying), background="true")
    assert run.end() == 3
    assert "it ended with signal SIGSEGV before its kernel was up" in run.output
    assert "| no such GPU" in run.output
    assert "Blender itself crashed" in run.output
    assert "hosts.blender.factory_startup=true" in run.output


def test_a_real_one_that_crashes_at_start(start: Callable[..., Run]) -> None:
    args = json.dumps(["--python-expr", f"print('here', flush=True); {CRASH}"])
    run = start(executable=BLENDER, background="true", factory_startup="true", args=args)
    assert run.end() == 3
    assert "it ended with signal SIGSEGV before its kernel was up" in run.output
    assert "| here" in run.output
    assert "Blender itself crashed" in run.output


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({}, "neither DISPLAY nor WAYLAND_DISPLAY is set"),
        ({"DISPLAY": ":32765"}, "failed to initialize display"),
    ],
    ids=["none", "one that is not there"],
)
def test_without_a_display(start: Callable[..., Run], env: dict[str, str], reason: str) -> None:
    run = start(executable=BLENDER, env=env)
    assert run.end() == 3
    assert reason in run.output
    assert "--set hosts.blender.background=true, or under Xvfb" in run.output


# The startup script

STARTUP = """
def double(number):
    return 2 * number

cube = D.objects["Cube"]
cube.name = "Mine"
seen = __name__, __file__
"""


@pytest.fixture(params=["bpy", "background", "window"])
def in_each(request: pytest.FixtureRequest, start: Callable[..., Run]) -> Callable[..., Run]:
    """Start a Blender of each kind with a startup script."""
    mode = request.param
    if mode == "bpy":
        need_module("bpy")

    def start_it(tmp_path: Path, source: str) -> Run:
        (tmp_path / "startup.py").write_text(source)
        return start(
            env={"DISPLAY": request.getfixturevalue("display")} if mode == "window" else {},
            executable="bpy" if mode == "bpy" else BLENDER,
            background="true" if mode == "background" else "false",
            factory_startup="true",
            args=SMALL if mode == "window" else "[]",
            startup=str(tmp_path / "startup.py"),
        )

    return start_it


def test_a_startup_script_runs_once_and_its_names_are_the_cells(
    in_each: Callable[..., Run], tmp_path: Path
) -> None:
    run = in_each(tmp_path, STARTUP)
    client = run.client()
    assert run_cell(client, "cube.name, double(4)") == "('Mine', 8)"
    assert run_cell(client, "print(*seen)").split() == ["__main__", str(tmp_path / "startup.py")]
    run_cell(client, "cube.name = 'Yours'; mine = 1")
    run.hostkernel("restart")
    wait_for(lambda: run_cell(client, "'mine' in globals()") == "False", "the fresh namespace")
    assert run_cell(client, "double(4), 'cube' in globals(), 'Yours' in D.objects") == (
        "(8, False, True)"
    )


def test_a_startup_script_that_fails_is_reported_and_ends_nothing(
    in_each: Callable[..., Run], tmp_path: Path
) -> None:
    run = in_each(tmp_path, "def broken():\n    1 / 0\nbroken()")
    client = run.client()
    said = f"The startup script {tmp_path / 'startup.py'} failed: ZeroDivisionError"
    assert said in first_cell(client)
    assert run_cell(client, "C.scene.name") == "'Scene'"
    assert f"hostkernel: {said}" in run.output
    assert "in broken" in run.output


def first_cell(client: object) -> str:
    return run_cell(client, "pass")  # type: ignore[arg-type]


def test_a_startup_script_that_is_not_there(start: Callable[..., Run]) -> None:
    run = start(executable=BLENDER, background="true", startup="missing.py")
    assert run.end() == 3
    assert "missing.py to run" in run.output


# The end


@pytest.mark.parametrize("mode", ["background", "window"])
def test_blenders_crash_is_reported_with_the_end_of_its_output(
    start: Callable[..., Run], request: pytest.FixtureRequest, mode: str
) -> None:
    env = {"DISPLAY": request.getfixturevalue("display")} if mode == "window" else {}
    background = "true" if mode == "background" else "false"
    args = SMALL if mode == "window" else "[]"
    run = start(
        executable=BLENDER, background=background, factory_startup="true", args=args, env=env
    )
    run.client().execute(f"import os; os.write(1, b'the last words\\n'); {CRASH}")
    assert run.end() == 1
    assert "hostkernel: blender: it ended with signal SIGSEGV" in run.output
    _, _, told = run.output.partition("it ended with signal")
    assert "| the last words" in told
    assert "blender.crash.txt" in told
    assert json.loads(run.hostkernel("list", "--json")) == []
    assert run.files() == []


def test_a_closed_window_ends_the_kernel(start: Callable[..., Run], display: str) -> None:
    need(shutil.which("xdotool"), "xdotool")
    settings = {"executable": BLENDER, "factory_startup": "true", "args": SMALL}
    with Frames(display) as frames:
        run = start(env={"DISPLAY": display}, **settings)
        run_cell(run.client(), "D.version")
        frames.close(window_of(run))
        assert run.end() == 0
        assert run.files() == []
