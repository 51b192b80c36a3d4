"""``hostkernel doctor``: every finding is brought about for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Any

import pytest
from support.world import ODD_HOST, World, odd_options

from hostkernel import processes
from hostkernel.connection import ConnectionInfo, HostFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLICY = """
import asyncio
class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        {body}
Policy.__module__ = "fastloop"
asyncio.set_event_loop_policy(Policy())
"""


class Report:
    """What one run of the doctor said."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.text = done.stdout
        self.said = json.loads(done.stdout)
        self.checks: dict[str, Any] = {each["name"]: each for each in self.said["checks"]}

    def states(self) -> dict[str, str]:
        return {name: each["state"] for name, each in self.checks.items()}

    def fix(self, check: str, problem: str) -> str:
        """The fix of the only finding of a check that speaks of a problem."""
        findings = self.checks[check]["findings"]
        found = [each["fix"] for each in findings if problem in each["problem"]]
        assert len(found) == 1, findings
        return str(found[0])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home of its own, without a display; whatever was started there is ended."""
    world = new_world(tmp_path)
    yield world
    world.close()


def new_world(folder: Path) -> World:
    world = World(folder)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        world.env.pop(name, None)
    (folder / "bin").mkdir()
    world.env["PATH"] = f"{folder / 'bin'}:/usr/bin:/bin"
    (folder / "site").mkdir()
    world.env["PYTHONPATH"] = str(folder / "site")
    return world


def examine(world: World, *args: str, **env: str) -> Report:
    return Report(world.run("doctor", "--json", *args, **env))


def distribution(site: Path, name: str, version: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_nothing_is_wrong(world: World) -> None:
    report = examine(world, DISPLAY=":0")
    assert set(report.states().values()) == {"ok"}
    assert report.status == 0
    assert report.said["ok"] is True
    assert list(world.runtime.iterdir()) == []
    shown = world.run("doctor", "--host", "python").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["ok"] * len(shown)
    assert f"ok       host python: {sys.executable}, Python 3." in "\n".join(shown)


# What was left behind, and other things that stop nothing


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """A home in which much is not as it should be, and a kernel would start."""
    world = new_world(tmp_path_factory.mktemp("warned"))
    folder, site = world.folder, world.folder / "site"
    (site / "sitecustomize.py").write_text(POLICY.format(body="return super().new_event_loop()"))
    distribution(site, "pyside6_essentials", "6.12.0")
    (folder / "broken.py").write_text("import no_such_module\n")
    settings = folder / "config" / "hostkernel"
    settings.mkdir(mode=0o700)
    (settings / "hostkernel.toml").write_text("plugins.paths = ['../../broken.py']\n")
    (settings / "hostkernel.toml").chmod(0o600)
    add_kernelspecs(world)
    kernel = add_files(world)
    (folder / "blocked").write_text("not a folder")
    old_jupyter(folder)
    yield examine(world, XDG_STATE_HOME=str(folder / "blocked"))
    os.kill(kernel, signal.SIGCONT)
    world.close()


def add_kernelspecs(world: World) -> None:
    for name in ("gone", "bare", "strange"):
        host = odd_options() if name == "strange" else ("--host", "python")
        assert world.run("kernelspec", "install", *host, "--name", name).returncode == 0
    for name, python in (("gone", "/gone/python"), ("bare", "/usr/bin/python3")):
        file = world.folder / "jupyter" / "data" / "kernels" / name / "kernel.json"
        spec = json.loads(file.read_text())
        file.write_text(json.dumps(spec | {"argv": [python, *spec["argv"][1:]]}))


def add_files(world: World) -> int:
    """Files that were left behind, and a kernel that is stopped; its process."""
    world.detach()
    [kernel] = world.kernels()
    os.kill(kernel["pid"], signal.SIGSTOP)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    facts = HostFacts(
        host="python",
        pid=ended.pid,
        started=1.0,
        machine=processes.machine(),
        kernel_id="stale",
        owned=False,
    )
    stale = ConnectionInfo.fresh().model_copy(update={"hostkernel": facts})
    stale.write(world.runtime / "kernel-stale.json")
    (world.runtime / "kernel-broken.json").write_text("{")
    (world.runtime / "hostkernel-start-old").mkdir()
    (world.runtime / "hostkernel-start-new").mkdir()
    os.utime(world.runtime / "hostkernel-start-old", (1, 1))
    world.runtime.chmod(0o755)
    return int(kernel["pid"])


def old_jupyter(folder: Path) -> None:
    venv.create(folder / "old", symlinks=True)
    [site] = (folder / "old").glob("lib/python3.*/site-packages")
    distribution(site, "jupyter_client", "6.1.12")
    (folder / "bin" / "jupyter").write_text(f"#!{folder / 'old' / 'bin' / 'python'}\n")
    (folder / "bin" / "jupyter").chmod(0o755)


def test_warnings_do_not_fail(warned: Report) -> None:
    assert warned.status == 0
    assert warned.said["ok"] is True
    wrong = {name for name, state in warned.states().items() if state == "warning"}
    assert wrong >= {"event loop", "plugins", "host qt", "kernels", "kernelspecs", "jupyter"}
    assert set(warned.states().values()) == {"ok", "warning"}


def test_another_event_loop_policy(warned: Report) -> None:
    fix = warned.fix("event loop", "fastloop.Policy makes the event loops")
    assert "sitecustomize.py" in fix


def test_a_plugin_that_cannot_be_loaded(warned: Report) -> None:
    assert "out of plugins.paths" in warned.fix("plugins", "broken.py: ModuleNotFoundError")


def test_a_binding_that_crashes_programs(warned: Report) -> None:
    if sys.version_info < (3, 12):
        fix = warned.fix("host qt", "PySide6 6.12.0 soon crashes programs")
        assert fix.endswith("-m pip install 'PySide6-Essentials!=6.12.0'")


def test_kernelspecs_that_start_nothing(warned: Report) -> None:
    gone = warned.fix("kernelspecs", "gone points to a Python that is gone: /gone/python")
    again = "hostkernel kernelspec remove gone && hostkernel kernelspec install --host python"
    assert gone == again
    bare = warned.fix("kernelspecs", "bare points to /usr/bin/python3, and hostkernel is not")
    assert bare.startswith("/usr/bin/python3 -m pip install hostkernel")
    assert "install the plugin" in warned.fix("kernelspecs", "the host odd, and no plugin")


def test_files_that_were_left_behind(warned: Report) -> None:
    for name, problem in (
        ("kernel-stale.json", "kernel-stale.json tells of a host that is gone"),
        ("kernel-broken.json", "kernel-broken.json: this is not JSON"),
        ("hostkernel-start-old", "was left behind by a start that was cut off"),
    ):
        assert warned.fix("kernels", problem).startswith("rm ")
        assert warned.fix("kernels", problem).endswith(name)
    assert "hostkernel-start-new" not in warned.text


def test_a_kernel_that_does_not_answer(warned: Report) -> None:
    assert warned.fix("kernels", "does not answer").startswith("kill ")


def test_folders(warned: Report) -> None:
    assert warned.fix("runtime folder", "other users can look into").startswith("chmod 700 ")
    assert warned.fix("other folders", "the log folder").startswith("rm ")


def test_a_jupyter_without_provisioners(warned: Report) -> None:
    fix = warned.fix("jupyter", "jupyter_client 6.1.12 of")
    assert fix.endswith("/old/bin/python -m pip install jupyter_client --upgrade")


def test_a_jupyter_without_hostkernel(world: World) -> None:
    old_jupyter(world.folder)
    [site] = (world.folder / "old").glob("lib/python3.*/site-packages")
    (site / "jupyter_client-6.1.12.dist-info").rename(site / "jupyter_client-8.9.0.dist-info")
    metadata = site / "jupyter_client-8.9.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("6.1.12", "8.9.0"))
    report = examine(world)
    problem = "cannot use hostkernel's kernelspecs without hostkernel"
    assert report.fix("jupyter", problem).endswith("/old/bin/python -m pip install hostkernel")
    # The same in an environment of ours.
    (world.folder / "bin" / "jupyter").write_text(f"#!{sys.executable}\n")
    assert examine(world).states()["jupyter"] == "ok"


# What keeps a host from starting


@pytest.fixture(scope="module")
def prevented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """A home in which nothing could start."""
    world = new_world(tmp_path_factory.mktemp("prevented"))
    site = world.folder / "site"
    (site / "sitecustomize.py").write_text(POLICY.format(body="raise NotImplementedError"))
    distribution(site, "ipykernel", "6.29.5")
    world.runtime.chmod(0o777)
    connection = {"IP": "192.0.2.1", "ALLOW_REMOTE": "true", "ENCRYPTION": "required"}
    env = {f"HOSTKERNEL_CONNECTION__{name}": value for name, value in connection.items()}
    command = {"HOSTKERNEL_HOSTS__PYTHON__COMMAND": '["no-such-wrapper"]'}
    yield examine(world, **env, **command)
    world.close()


def test_errors_fail(prevented: Report) -> None:
    assert prevented.status == 1
    assert prevented.said["ok"] is False


def test_a_package_of_another_version(prevented: Report) -> None:
    fix = prevented.fix("packages", "ipykernel 6.29.5 is installed")
    assert fix.endswith("-m pip install 'ipykernel<8,>=7.3'")


def test_event_loops_that_cannot_be_used(prevented: Report) -> None:
    problem = "event loops of fastloop.Policy cannot watch sockets: NotImplementedError"
    assert "sitecustomize.py" in prevented.fix("event loop", problem)


def test_an_address_that_is_not_ours(prevented: Report) -> None:
    fix = prevented.fix("ports", "a kernel could not be reached on 192.0.2.1")
    assert "connection.ip=127.0.0.1" in fix


def test_a_folder_that_others_may_write_to(prevented: Report) -> None:
    fix = prevented.fix("runtime folder", "other users may write to ")
    assert fix.startswith("chmod 700 ")


def test_a_command_that_is_not_there(prevented: Report) -> None:
    problem = "hosts.python.command is no-such-wrapper, which is not to be found"
    assert prevented.fix("host python", problem) == "hostkernel config show --origin"


def test_a_window_without_a_display(prevented: Report) -> None:
    assert "QT_QPA_PLATFORM" in prevented.fix("host qt", "its window needs a display")


def owned_by_another(world: World) -> None:
    os.chown(world.runtime, 54321, -1)


def no_folder(world: World) -> None:
    world.runtime.rmdir()
    world.runtime.write_text("")


@pytest.mark.parametrize(
    ("spoil", "problem", "fix"),
    [
        (owned_by_another, "belongs to another user (uid 54321)", "sudo chown -R $USER "),
        (no_folder, "cannot be written", "export JUPYTER_RUNTIME_DIR="),
    ],
)
def test_a_runtime_folder_that_cannot_be_used(
    world: World, spoil: Callable[[World], None], problem: str, fix: str
) -> None:
    if os.getuid() != 0 and spoil is owned_by_another:
        pytest.skip("only root can give a folder away")
    spoil(world)
    report = examine(world)
    assert report.status == 1
    assert report.fix("runtime folder", problem).startswith(fix)


def test_wrong_settings_and_an_unknown_host(world: World) -> None:
    report = examine(world, "--host", "pyton", HOSTKERNEL_KERNEL__LOG_LVEL="debug")
    assert report.status == 1
    assert report.fix("settings", "did you mean HOSTKERNEL_KERNEL__LOG_LEVEL") == (
        "hostkernel config check"
    )
    assert report.fix("host pyton", "Did you mean python?") == "hostkernel hosts"


def test_a_host_that_is_not_there(world: World) -> None:
    report = examine(
        world, "--host", "blender", HOSTKERNEL_HOSTS__BLENDER__EXECUTABLE="/nowhere/blender"
    )
    assert report.status == 1
    fix = report.fix("host blender", "/nowhere/blender: there is no such file")
    assert fix.startswith("Set hosts.blender.executable")
    assert [name for name in report.checks if name.startswith("host ")] == ["host blender"]


@pytest.mark.parametrize(
    ("python", "problem"),
    [
        ("3.10", "Blender 4.0's Python is 3.10; hostkernel needs 3.11 or newer"),
        ("3.99", "its Python is 3.99, and none was found to fetch packages with"),
    ],
)
def test_the_python_inside(world: World, python: str, problem: str) -> None:
    inside = world.folder / "blender-4.0" / "4.0" / "python"
    (inside / "bin").mkdir(parents=True)
    (inside / "bin" / f"python{python}").write_text("")
    (inside / "lib" / f"python{python}").mkdir(parents=True)
    program = world.folder / "blender-4.0" / "blender"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    report = examine(world, "--host", "blender", HOSTKERNEL_HOSTS__BLENDER__EXECUTABLE=str(program))
    assert report.status == 1
    assert report.fix("host blender", problem)
    if python == "3.10":  # There is no more to say of a Blender that cannot be used.
        return
    assert "--set hosts.blender.background=true" in report.fix("host blender", "needs a display")


DIAGNOSING = """
from odd_host import OddHost as Odd, hookimpl
from hostkernel import Finding
class OddHost(Odd):
    def diagnose(self):
        if self.settings.stubborn:
            raise RuntimeError("it broke")
        return [Finding("it is odd", "hostkernel run --host python", prevents=True)]
@hookimpl
def hostkernel_hosts():
    return (OddHost,)
"""


def test_an_adapters_own_findings(world: World) -> None:
    (world.folder / "diagnosing.py").write_text(DIAGNOSING)
    env = {
        "PYTHONPATH": str(ODD_HOST.parent),
        "HOSTKERNEL_PLUGINS__PATHS": f'["{world.folder / "diagnosing.py"}"]',
    }
    report = examine(world, "--host", "odd", **env)
    assert report.status == 1
    assert report.fix("host odd", "it is odd") == "hostkernel run --host python"
    broken = examine(world, "--host", "odd", HOSTKERNEL_HOSTS__ODD__STUBBORN="true", **env)
    assert "odd.diagnose" in broken.text
    assert broken.fix("host odd", "RuntimeError: it broke") == "hostkernel plugins"
