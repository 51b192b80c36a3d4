"""Outside: install the add-on as the user would, never into Blender's own folders."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .find import environment
from .package import CLASSIC_MODULE, build_classic, build_extension
from .wheels import BuildError, here

if TYPE_CHECKING:
    from hostkernel.host import Installation

__all__ = ["install"]

_SECONDS = 120.0
_EXTENSION = """
import bpy
bpy.ops.extensions.package_install_files(
    filepath={file!r}, repo="user_default", enable_on_install=True)
bpy.ops.wm.save_userpref()
"""
_CLASSIC = """
import bpy
bpy.ops.preferences.addon_install(overwrite=True, filepath={file!r})
bpy.ops.preferences.addon_enable(module={module!r})
bpy.ops.wm.save_userpref()
"""
_FIRST_WITH_EXTENSIONS = (4, 2)
_OLDEST = (3, 11)


def install(blender: Installation, wheels: Path) -> str:
    """Build the add-on that fits a Blender, install and enable it; return its name.

    Raises:
        BuildError: Blender's Python is too old, a wheel cannot be obtained, or Blender refused.
    """
    found = blender.examined()
    if found.version is None or found.python is None:
        message = f"{blender.path} did not say which version it is"
        raise BuildError(message)
    version, python = _numbers(found.version), found.python
    if _numbers(python) < _OLDEST:
        message = f"this Blender's Python is {python}; hostkernel needs 3.11 or newer"
        raise BuildError(message)
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as folder:
        if version >= _FIRST_WITH_EXTENSIONS:
            file = build_extension([here()], python, wheels, Path(folder))
            _run(blender, _EXTENSION.format(file=str(file)))
        else:
            file = build_classic(here(), python, wheels, Path(folder))
            _run(blender, _CLASSIC.format(file=str(file), module=CLASSIC_MODULE))
        return file.stem


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _run(blender: Installation, code: str) -> str:
    if blender.path.is_dir():
        command = [sys.executable, "-c", code]
    else:
        options = ("--background", "--python-exit-code", "1", "--python-expr")
        command = [str(blender.path), *options, code]
    result = subprocess.run(
        command,
        env=os.environ | environment(blender.path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
    )
    if result.returncode:
        last = "\n".join(result.stdout.splitlines()[-20:])
        message = f"{blender.path} ended with status {result.returncode}:\n{last}"
        raise BuildError(message)
    return result.stdout
