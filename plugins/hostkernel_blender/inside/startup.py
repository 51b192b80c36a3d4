"""The startup script, which runs once in each Blender and gives cells its names. Inside only.

It runs when the kernel is up, so a slow script delays the first cell and not the start, and a
script that fails stops neither the kernel nor Blender. This module is also an IPython extension,
which gives the script's names to each fresh shell.
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
    """Give a fresh shell the script's names; called inside, on the main thread, by IPython."""
    _State.shell = shell
    # Blender's objects may be dead by now.
    names = (_State.names or {}).items()
    shell.push({name: value for name, value in names if not is_of_blender(value)})


def run(file: Path) -> None:
    """Run the script unless it has run; called inside, on the main thread, with the kernel up."""
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
    """Report once that the script failed; called in a cell, on the main thread."""
    failure, _State.failure = _State.failure, ""
    if failure:
        print(f"{failure}\nThe traceback is in Blender's console.", file=sys.stderr)  # noqa: T201
