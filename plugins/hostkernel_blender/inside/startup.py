"""The startup script: it runs once in each Blender, and its names are the cells'. Inside only.

It runs when the kernel is up, so a slow one delays the first cell and not the start, and one that
fails ends nothing. Also an IPython extension, which gives its names to each fresh shell.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from typing import TYPE_CHECKING, Any

import bpy

from .references import is_of_blender

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_ipython_extension", "run", "tell"]


class _State:
    shell: Any = None
    names: dict[str, object] | None = None
    failure = ""


def load_ipython_extension(shell: Any) -> None:
    """Called inside, on the main thread, by IPython: for a fresh shell."""
    _State.shell = shell
    # What was an object of Blender's may be dead by now.
    names = (_State.names or {}).items()
    shell.push({name: value for name, value in names if not is_of_blender(value)})


def run(file: Path) -> None:
    """Called inside, on the main thread, once the kernel is up: run it, if it has not been."""
    if _State.names is not None:
        return
    given = {"bpy": bpy, "C": bpy.context, "D": bpy.data}
    _State.names = {}
    try:
        defined = runpy.run_path(str(file), given, "__main__")
    except BaseException as error:
        _report(file, error)
        return
    _State.names = {
        name: value
        for name, value in defined.items()
        if not (name.startswith("__") or name in given)
    }
    _State.shell.push(_State.names)


def _report(file: Path, error: BaseException) -> None:
    if isinstance(error, SystemExit) and not error.code:
        return
    what = "".join(traceback.format_exception_only(error)).strip()
    _State.failure = f"The startup script {file} failed: {what}"
    print(f"hostkernel: {_State.failure}", file=sys.stderr)  # noqa: T201
    traceback.print_exception(error)


def tell() -> None:
    """Called in a cell, on the main thread: say that the script failed, once."""
    failure, _State.failure = _State.failure, ""
    if failure:
        print(f"{failure}\nThe traceback is in Blender's console.", file=sys.stderr)  # noqa: T201
