"""Outside: find Blenders, choose the one that the settings mean, and tell its version.

Only :meth:`Program.examined` starts a Blender.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hostkernel.errors import HostNotFoundError
from hostkernel.host import Installation

from .places import bundled_python, bundled_version, on_path, python_version, usual

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HOST", "NEWER", "Program", "choose", "environment", "installations", "is_too_old"]

HOST = "blender"
NEWER = (
    "Blender 4.1 and newer have Python 3.11 or newer. `hostkernel hosts` lists what there is; "
    "hosts.blender.version or hosts.blender.executable chooses."
)

_OLDEST = (3, 11)
_WHEEL_PYTHONS = ((3, 11), (3, 13))
_SECONDS = 20.0
_MARK = "hostkernel:"
_ASK = f"""
import bpy, sys
print("{_MARK} %d.%d.%d %d.%d" % (bpy.app.version[:3] + sys.version_info[:2]))
"""

Named = Literal["bpy"] | Path | None


class Program(Installation):
    """Blender as a program."""

    def examined(self) -> Installation:
        """Start it, for half a second, to learn its version and the version of its Python."""
        options = ("--background", "--factory-startup", "--python-expr")
        try:
            result = subprocess.run(
                [self.path, *options, _ASK],
                env=os.environ | environment(self.path),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return self
        match = re.search(rf"^{_MARK} (\S+) (\S+)$", result.stdout, re.MULTILINE)
        return replace(self, version=match[1], python=match[2]) if match else self


def choose(named: Named, version: str | None) -> Installation:
    """Return the Blender that the settings mean.

    Args:
        named: Blender's program, or ``"bpy"`` for the module of this Python; None searches.
        version: the beginning of its version; None for any.

    Raises:
        HostNotFoundError: no Blender fits, or its Python is too old.
    """
    if named is None:
        return _search(version)
    found = _module() if named == "bpy" else _program(named)
    if found is None:
        raise HostNotFoundError(HOST, "the bpy module is not installed", _hint())
    if is_too_old(found.python):
        raise HostNotFoundError(HOST, f"{found.path}: {_too_old(found)}", NEWER)
    if version and not _is_version(found, version):
        exact = found.examined().version or "unknown"
        reason = f"hosts.blender.version is {version}, but {found.path} is Blender {exact}"
        hint = "Leave out hosts.blender.version, or hosts.blender.executable to have it searched."
        raise HostNotFoundError(HOST, reason, hint)
    return found


def installations(named: Named, version: str | None) -> Iterator[Installation]:
    """Yield the Blender that the settings mean, then every other one, to be listed only.

    Args:
        named: as for :func:`choose`.
        version: as for :func:`choose`.

    Raises:
        HostNotFoundError: no Blender fits, or its Python is too old; raised behind the others.
    """
    try:
        chosen = choose(named, version)
    except HostNotFoundError:
        yield from (replace(each, listed_only=True) for each in _all(named))
        raise
    yield chosen
    yield from (replace(each, listed_only=True) for each in _all(named) if each != chosen)


def _all(named: Named) -> list[Installation]:
    """Every Blender there is: named, on PATH, in the usual places (newest first), the module."""
    newest_first = sorted(usual(), key=_numbers, reverse=True)
    paths = [*([named] if isinstance(named, Path) else []), *on_path(), *newest_first]
    distinct = {path.resolve(): path.expanduser() for path in reversed(paths) if path.is_file()}
    module = _module()
    return [*map(_installation, reversed(distinct.values())), *([module] if module else [])]


def _search(version: str | None) -> Installation:
    found = _all(None)
    if not found:
        raise HostNotFoundError(HOST, "no Blender was found, nor the bpy module", _hint())
    fitting = [each for each in found if not version or _is_version(each, version)]
    if not fitting:
        there = ", ".join(f"{each.examined().version} ({each.path})" for each in found)
        hint = f"There is {there}. Set hosts.blender.version, or hosts.blender.executable."
        raise HostNotFoundError(HOST, f"no Blender {version} was found", hint)
    usable = [each for each in fitting if not is_too_old(each.python)]
    if not usable:
        reason = f"{fitting[0].path}: {_too_old(fitting[0])}"
        raise HostNotFoundError(HOST, reason, f"{NEWER}\n{_hint()}")
    return usable[0]


def _program(executable: Path) -> Installation:
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


def _module() -> Installation | None:
    """The bpy wheel of this Python, found without importing it."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        return None
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Installation(Path(spec.origin).parent, _wheel_version(), python)


def _installation(executable: Path) -> Installation:
    python = bundled_python(executable)
    if python is None:
        return Program(executable)
    return Program(executable, bundled_version(python), python_version(python))


def environment(program: Path) -> dict[str, str]:
    """The environment variables that the Blender at ``program`` needs changed.

    A Blender built on the system's Python takes the first python3.11 on PATH for its home. In a
    virtual environment it would lose the system's packages, which its add-ons need; with
    another Python there it would run that Python's standard library, which may not fit.
    """
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = [entry for entry in entries if not (Path(entry).parent / "pyvenv.cfg").is_file()]
    home = program.resolve().parent
    if (home / "python3").exists():
        kept = [str(home), *(entry for entry in kept if entry != str(home))]
    return {"PATH": os.pathsep.join(kept)}


def _is_version(found: Installation, wanted: str) -> bool:
    known = found.version
    if known is None or _begins(wanted, known):
        known = found.examined().version
    return known is not None and _begins(known, wanted)


def _begins(version: str, beginning: str) -> bool:
    return f"{version}.".startswith(f"{beginning}.")


def is_too_old(python: str | None) -> bool:
    """Whether hostkernel cannot run in this minor version of Python; False if it is unknown."""
    return python is not None and tuple(map(int, python.split("."))) < _OLDEST


def _too_old(found: Installation) -> str:
    return f"Blender {found.version}'s Python is {found.python}; hostkernel needs 3.11 or newer"


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _wheel_version() -> str | None:
    try:
        return version_of("bpy")
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
