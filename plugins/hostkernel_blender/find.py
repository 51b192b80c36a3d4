"""Where Blender is on this machine, and what can be told without starting it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.errors import HostNotFoundError
from hostkernel.host import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HOST", "blender_version", "bundled_python", "installed", "module", "named"]

HOST = "blender"

_STEAM = "steamapps/common/Blender"
_PLACES = {
    "linux": (
        ("/opt", "blender*/blender"),
        ("/usr/local", "blender*/blender"),
        ("~", "blender*/blender"),
        ("~/.local/share/Steam", f"{_STEAM}/blender"),
        ("~/.steam/steam", f"{_STEAM}/blender"),
        ("/snap/bin", "blender"),
    ),
    "darwin": (
        ("/Applications", "Blender*.app/Contents/MacOS/Blender"),
        ("~/Applications", "Blender*.app/Contents/MacOS/Blender"),
        (
            "~/Library/Application Support/Steam",
            f"{_STEAM}/Blender.app/Contents/MacOS/Blender",
        ),
    ),
    "win32": (
        ("${ProgramFiles}/Blender Foundation", "Blender*/blender.exe"),
        ("${ProgramFiles(x86)}/Steam", f"{_STEAM}/blender.exe"),
    ),
}
_WHEEL_PYTHONS = ((3, 11), (3, 13))
_VERSION_SECONDS = 20.0


def named(executable: Path) -> Installation:
    """The Blender that the settings name. Raises HostNotFoundError."""
    path = executable.expanduser()
    if not path.exists():
        reason = "there is no such file"
    elif path.is_dir():
        reason = "that is a directory"
    elif not os.access(path, os.X_OK):
        reason = "that file is not executable"
    else:
        return _installation(path)
    hint = "Set hosts.blender.executable to Blender's program itself, or leave it out to search."
    raise HostNotFoundError(HOST, f"hosts.blender.executable is {path}: {reason}", hint)


def installed() -> Installation | None:
    """Blender on PATH, else the newest one in the usual places."""
    on_path = shutil.which("blender")
    candidates = [Path(on_path)] if on_path else sorted(_usual(), key=_numbers)
    return _installation(candidates[-1]) if candidates else None


def module() -> Installation:
    """The bpy wheel of this Python, looked for without importing it.

    Raises HostNotFoundError, with the command that installs it.
    """
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise HostNotFoundError(HOST, "no Blender was found, nor the bpy module", _hint())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Installation(Path(spec.origin).parent, _wheel_version(), python)


def blender_version(executable: Path) -> str | None:
    """What ``blender --version`` says; takes a quarter of a second, a second when cold."""
    try:
        result = subprocess.run(
            [executable, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"^Blender (\S+)", result.stdout, re.MULTILINE)
    return match[1] if match else None


def bundled_python(executable: Path) -> Path | None:
    """The Python that lies beside a Blender as its makers publish it."""
    folder = executable.resolve().parent
    roots = (folder, folder.parent / "Resources")
    found = [path for root in roots for path in root.glob("*.*/python/bin/python*")]
    return max(found, key=lambda path: len(path.name), default=None)


def _installation(executable: Path) -> Installation:
    python = bundled_python(executable)
    if python is None:
        return Installation(executable)
    libraries = [path.name for path in python.parents[1].glob("lib/python3.*")]
    minor = libraries[0].removeprefix("python") if libraries else None
    return Installation(executable, python.parents[2].name, minor)


def _usual() -> Iterator[Path]:
    for root, pattern in _PLACES.get(sys.platform, ()):
        yield from Path(os.path.expandvars(root)).expanduser().glob(pattern)


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _wheel_version() -> str | None:
    try:
        return version("bpy")
    except PackageNotFoundError:
        return None


def _hint() -> str:
    wheel = 'pip install "hostkernel[blender]"'
    size = "374 MB; Python 3.11 for Blender 4.2 to 5.0, 3.13 for 5.1 and newer"
    lines = [
        'Install Blender and put it on PATH, or set hosts.blender.executable = "/path/to/blender".',
        f"Or use Blender as a Python module: {wheel} ({size}).",
    ]
    if sys.version_info[:2] not in _WHEEL_PYTHONS:
        lines.append(f"This Python is {sys.version_info.major}.{sys.version_info.minor}.")
    return "\n".join(lines)
