"""Outside: the usual places of Blender's program, and the files beside it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bundled_python", "bundled_version", "on_path", "python_version", "usual"]

_STEAM = "steamapps/common/Blender"
_LIBRARIES = "steamapps/libraryfolders.vdf"
_PLACES = {
    "linux": (
        ("/opt", "blender*/blender"),
        ("/usr/local", "blender*/blender"),
        ("~", "blender*/blender"),
        ("/snap/bin", "blender"),
    ),
    "darwin": (
        ("/Applications", "Blender*.app/Contents/MacOS/Blender"),
        ("~/Applications", "Blender*.app/Contents/MacOS/Blender"),
    ),
    "win32": (("${ProgramFiles}/Blender Foundation", "Blender*/blender.exe"),),
}
_STEAM_PLACES = {
    "linux": (
        "~/.local/share/Steam",
        "~/.steam/steam",
        "~/.var/app/com.valvesoftware.Steam/.local/share/Steam",
    ),
    "darwin": ("~/Library/Application Support/Steam",),
    "win32": ("${ProgramFiles(x86)}/Steam",),
}
_STEAM_PROGRAM = {
    "linux": f"{_STEAM}/blender",
    "darwin": f"{_STEAM}/Blender.app/Contents/MacOS/Blender",
    "win32": f"{_STEAM}/blender.exe",
}


def on_path() -> Iterator[Path]:
    """Blender's programs on PATH, in the order of PATH."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which("blender", path=folder):
            yield Path(found)


def usual(root: Path = Path("/")) -> Iterator[Path]:
    """Blender's programs in the usual places of this platform.

    Args:
        root: the folder that absolute places are taken from.
    """
    for place, pattern in _PLACES.get(sys.platform, ()):
        yield from sorted(_folder(place, root).glob(pattern))
    for place in _STEAM_PLACES.get(sys.platform, ()):
        for library in _steam_libraries(_folder(place, root)):
            yield from library.glob(_STEAM_PROGRAM[sys.platform])


def _folder(place: str, root: Path) -> Path:
    path = Path(os.path.expandvars(place)).expanduser()
    return root / path.relative_to("/") if place.startswith("/") else path


def _steam_libraries(steam: Path) -> Iterator[Path]:
    yield steam
    try:
        text = (steam / _LIBRARIES).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for path in re.findall(r'"path"\s+"(.+?)"', text):
        yield Path(path.replace("\\\\", "\\"))


def bundled_python(executable: Path) -> Path | None:
    """The Python beside an official build of Blender, None if there is none."""
    folder = executable.resolve().parent
    roots = [folder, folder.parent / "Resources"]
    if executable.parts[-3:] == ("snap", "bin", "blender"):
        roots.append(executable.parents[1] / "blender" / "current")
    found = [path for root in roots for path in root.glob("*.*/python/bin/python*")]
    return max(found, key=lambda path: len(path.name), default=None)


def bundled_version(python: Path) -> str:
    """Major and minor version of the Blender that contains ``python``."""
    return python.parents[2].name


def python_version(python: Path) -> str | None:
    """The minor version of ``python``, from the names of the files around it."""
    libraries = python.parents[1].glob("lib/python3.*")
    libraries_of_windows = python.parents[3].glob("python3*.dll")
    names = [f"3.{path.name.removeprefix('python3.')}" for path in libraries]
    names += [f"3.{path.stem.removeprefix('python3')}" for path in libraries_of_windows]
    return next((name for name in names if name != "3."), None)
