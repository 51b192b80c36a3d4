"""A child Blender of the same kind as this one. Imported inside Blender only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

import hostkernel
from hostkernel.host import current_environment

__all__ = ["command", "environment"]


def command(script: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return the command line that runs ``script`` in a Blender without a window.

    Args:
        script: the script's path.
        arguments: the last items of the script's ``sys.argv``.
        options: more of Blender's own options; dropped for the bpy module, which takes none.
    """
    program = bpy.app.binary_path
    if not program:
        kernel = hostkernel.current()
        python = kernel.host.interpreter() if kernel else (sys.executable,)
        return [*python, "-P", script, *arguments]
    return [program, "--background", *options, "--python", script, "--", *arguments]


def environment() -> dict[str, str]:
    """Return the environment that the command needs."""
    if bpy.app.binary_path:
        return current_environment()
    # The bpy module has put its own scripts on sys.path, which hide it from a second Python.
    own = Path(bpy.utils.resource_path("LOCAL"))
    path = [entry for entry in sys.path if entry and own not in Path(entry).parents]
    return current_environment() | {"PYTHONPATH": os.pathsep.join(path)}
