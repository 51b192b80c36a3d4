"""The Blender adapter outside of Blender: find it, and know how to start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostkernel_blender import BlenderHost, BlenderSettings
from hostkernel_blender.outside.find import Program, environment
from hostkernel_blender.outside.places import usual
from support.runs import need, need_module

from hostkernel.errors import HostNotFoundError, LaunchError
from hostkernel.host import LaunchRequest
from hostkernel.host.launching import to_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.host import Installation

pytestmark = pytest.mark.slow(10)


def find(**settings: object) -> Path:
    return chosen(BlenderHost(BlenderSettings.model_validate(settings))).path


def chosen(host: BlenderHost) -> Installation:
    """The Blender that would start."""
    installation = to_start(host.find())
    assert installation is not None
    return installation


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
    need_module("bpy")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    host = BlenderHost(BlenderSettings())
    installation = chosen(host)
    assert installation.version
    assert host.launch(LaunchRequest(tmp_path, (), installation)).in_process
    assert "bpy" not in sys.modules


# Where it may be. Foreign platforms and stores have faked file systems here.

PLACES = {
    "linux": (
        "opt/blender-4.2.3/blender",
        "usr/local/blender/blender",
        "home/blender-4.5/blender",
        "snap/bin/blender",
        "home/.local/share/Steam/steamapps/common/Blender/blender",
        "library/steamapps/common/Blender/blender",
    ),
    "darwin": (
        "Applications/Blender 4.2.app/Contents/MacOS/Blender",
        "home/Applications/Blender.app/Contents/MacOS/Blender",
        (
            "home/Library/Application Support/Steam/steamapps/common/Blender/Blender.app/Contents/"
            "MacOS/Blender"
        ),
    ),
    "win32": (
        "programs/Blender Foundation/Blender 4.2/blender.exe",
        "programs86/Steam/steamapps/common/Blender/blender.exe",
        "library/steamapps/common/Blender/blender.exe",
    ),
}
STEAM = {
    "linux": "home/.local/share/Steam/steamapps",
    "darwin": "home/Library/Application Support/Steam/steamapps",
    "win32": "programs86/Steam/steamapps",
}


@pytest.mark.parametrize("platform", PLACES)
def test_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name, folder in {
        "HOME": "home",
        "ProgramFiles": "programs",
        "ProgramFiles(x86)": "programs86",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    programs = {_program(tmp_path / place) for place in PLACES[platform]}
    listed = tmp_path / STEAM[platform] / "libraryfolders.vdf"
    listed.write_text(f'"libraryfolders" {{ "0" {{ "path"  "{tmp_path}/library" }} }}')
    assert set(usual(tmp_path)) == programs


PYTHONS = {
    "linux": ("blender", "4.2/python/bin/python3.11", "4.2/python/lib/python3.11/os.py"),
    "darwin": (
        "Blender.app/Contents/MacOS/Blender",
        "Blender.app/Contents/Resources/4.2/python/bin/python3.11",
        "Blender.app/Contents/Resources/4.2/python/lib/python3.11/os.py",
    ),
    "win32": ("blender.exe", "4.2/python/bin/python.exe", "python311.dll"),
    "snap": (
        "snap/bin/blender",
        "snap/blender/current/4.2/python/bin/python3.11",
        "snap/blender/current/4.2/python/lib/python3.11/os.py",
    ),
}


@pytest.mark.parametrize("kind", PYTHONS)
def test_a_published_blender_shows_version_and_python_by_its_folders(
    tmp_path: Path, kind: str
) -> None:
    program, python, _ = (_program(tmp_path / part) for part in PYTHONS[kind])
    host = BlenderHost(BlenderSettings(executable=program))
    assert chosen(host) == Program(program, "4.2", "3.11")
    assert host.interpreter() == (str(python),)


def test_the_newest_of_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("blender-3.6.12", "blender-4.10.0", "blender-4.2.3")
    programs = {name: _program(tmp_path / name / "blender") for name in names}
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find() == programs["blender-4.10.0"]
    all_of_them = [each.path for each in BlenderHost(BlenderSettings()).find()]
    newest_first = [programs[f"blender-{version}"] for version in ("4.10.0", "4.2.3", "3.6.12")]
    assert all_of_them[:3] == newest_first


def _published(folder: Path, version: str, python: str) -> Path:
    _program(folder / version / "python" / "bin" / f"python{python}")
    _program(folder / version / "python" / "lib" / f"python{python}" / "os.py")
    return _program(folder / "blender")


def test_a_version_chooses_and_one_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _published(tmp_path / "path", "3.6", "3.10")
    older = _published(tmp_path / "blender-4.2.3", "4.2", "3.11")
    newer = _published(tmp_path / "blender-4.5.1", "4.5", "3.11")
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find() == newer
    assert find(version="4.2") == find(version=4.2) == older
    assert find(version="4") == newer
    with pytest.raises(HostNotFoundError, match=r"3\.6's Python is 3\.10; hostkernel needs 3\.11"):
        find(version="3.6")
    with pytest.raises(HostNotFoundError, match=r"no Blender 4\.4 was found"):
        find(version="4.4")


def test_each_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _program(tmp_path / "blender-4.2" / "blender")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "blender").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = [each.path for each in BlenderHost(BlenderSettings()).find()]
    assert paths[0] == find() == tmp_path / "bin" / "blender"
    assert program not in paths


def test_what_is_listed_is_what_blender_says() -> None:
    need(shutil.which("blender"), "Blender on PATH")
    host = BlenderHost(BlenderSettings())
    found = chosen(host).examined()
    said = subprocess.check_output(["blender", "--version"], text=True).splitlines()[0]
    assert f"Blender {found.version}" == said
    assert found.python == "3.11"


@pytest.mark.parametrize("source", ["exit 1", "kill -SEGV $$", "echo Blender"])
def test_one_that_says_nothing_is_listed_all_the_same(tmp_path: Path, source: str) -> None:
    program = _program(tmp_path / "blender")
    program.write_text(f"#!/bin/sh\n{source}")
    host = BlenderHost(BlenderSettings(executable=program))
    assert chosen(host).examined() == Program(program)


def launch(tmp_path: Path, *args: str, **settings: object) -> tuple[str, ...]:
    settings.setdefault("executable", _program(tmp_path / "blender"))
    host = BlenderHost(BlenderSettings.model_validate(settings))
    return host.launch(LaunchRequest(tmp_path / "boot.py", args, chosen(host))).argv


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
    need_module("bpy")
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
    env = host.launch(LaunchRequest(tmp_path, (), chosen(host))).env
    assert env["PATH"] == os.pathsep.join(["/usr/bin", "/bin"])


def test_blender_keeps_the_systems_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever Python is first on PATH, as one of pyenv's or conda's is."""
    blender = Path(need(shutil.which("blender"), "Blender on PATH") or "")
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin{os.pathsep}{os.environ['PATH']}")
    options = ("--background", "--factory-startup", "--python-expr")
    ask = "import os, sys; print('home', sys.prefix, os.__file__)"
    env = os.environ | environment(blender)
    said = subprocess.check_output([blender, *options, ask], env=env, text=True, timeout=60)
    [home] = [line.split()[1:] for line in said.splitlines() if line.startswith("home ")]
    assert home == ["/usr", "/usr/lib/python3.11/os.py"]


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path
