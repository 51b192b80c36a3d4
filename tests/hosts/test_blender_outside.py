"""The Blender adapter outside of Blender: find it, and know how to start it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hostkernel_blender import BlenderHost, BlenderSettings
from hosts.runs import need

from hostkernel.errors import HostNotFoundError, LaunchError
from hostkernel.host import LaunchRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def find(**settings: object) -> Path:
    installation = BlenderHost(BlenderSettings.model_validate(settings)).find()
    assert installation is not None
    return installation.path


def test_the_setting_beats_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = (_program(tmp_path / name / "blender") for name in ("own", "other"))
    monkeypatch.setenv("PATH", str(other.parent))
    assert find(executable=own) == own
    assert find() == other


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: path.touch(mode=0o644), "not executable"),
    ],
)
def test_a_wrong_executable_says_what_is_wrong(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "blender"
    make(path)
    with pytest.raises(HostNotFoundError, match=reason) as caught:
        find(executable=path)
    assert str(path) in str(caught.value)
    assert "hosts.blender.executable" in str(caught.value)


def test_no_blender_at_all_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    for settings in ({}, {"executable": "bpy"}):
        with pytest.raises(HostNotFoundError, match="374 MB") as caught:
            find(**settings)
        assert 'pip install "hostkernel[blender]"' in str(caught.value)


def test_without_blender_the_bpy_wheel_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(importlib.util.find_spec("bpy"), "the bpy wheel of this Python")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    host = BlenderHost(BlenderSettings())
    installation = host.find()
    assert installation.version
    assert host.launch(LaunchRequest(tmp_path, (), installation)).in_process
    assert "bpy" not in sys.modules


def test_the_newest_of_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("blender-3.6.12", "blender-4.10.0", "blender-4.2.3")
    programs = {name: _program(tmp_path / name / "blender") for name in names}
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find() == programs["blender-4.10.0"]


def test_a_published_blender_shows_version_and_python_by_its_folders(tmp_path: Path) -> None:
    program = _program(tmp_path / "blender")
    python = _program(tmp_path / "4.2" / "python" / "bin" / "python3.11")
    (tmp_path / "4.2" / "python" / "lib" / "python3.11").mkdir(parents=True)
    host = BlenderHost(BlenderSettings(executable=program))
    installation = host.find()
    assert (installation.version, installation.python) == ("4.2", "3.11")
    assert host.interpreter() == (str(python),)


def test_the_listed_version_is_what_blender_says() -> None:
    need(shutil.which("blender"), "Blender on PATH")
    host = BlenderHost(BlenderSettings())
    said = subprocess.check_output(["blender", "--version"], text=True).splitlines()[0]
    assert f"Blender {host.version(host.find())}" == said


def launch(tmp_path: Path, *args: str, **settings: object) -> tuple[str, ...]:
    settings.setdefault("executable", _program(tmp_path / "blender"))
    host = BlenderHost(BlenderSettings.model_validate(settings))
    return host.launch(LaunchRequest(tmp_path / "boot.py", args, host.find())).argv


def test_a_window_needs_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LaunchError, match="background=true"):
        launch(tmp_path)
    for settings in ({"background": True}, {"env": {"DISPLAY": ":7"}}, {"command": ["wrapper"]}):
        assert launch(tmp_path, **settings)
    assert launch(tmp_path, "--background")


def test_a_missing_file_is_said_before_blender_starts(tmp_path: Path) -> None:
    missing = tmp_path / "missing.blend"
    with pytest.raises(LaunchError, match=r"missing\.blend"):
        launch(tmp_path, blend_file=missing, background=True)


def test_the_module_takes_files_only(tmp_path: Path) -> None:
    need(importlib.util.find_spec("bpy"), "the bpy wheel of this Python")
    with pytest.raises(LaunchError, match="--render-anim"):
        launch(tmp_path, "--render-anim", executable="bpy")
    with pytest.raises(LaunchError, match=r"missing\.blend"):
        launch(tmp_path, "missing.blend", executable="bpy")


def test_virtual_environments_leave_blenders_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    path = os.pathsep.join(["/usr/bin", str(tmp_path / "venv" / "bin"), "/bin"])
    monkeypatch.setenv("PATH", path)
    host = BlenderHost(BlenderSettings(executable=_program(tmp_path / "blender"), background=True))
    env = host.launch(LaunchRequest(tmp_path, (), host.find())).env
    assert env["PATH"] == os.pathsep.join(["/usr/bin", "/bin"])


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path
