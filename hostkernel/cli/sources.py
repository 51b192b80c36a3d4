"""What ``hostkernel exec`` runs: the command line's code, a script, or the cells of a notebook."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Source", "is_notebook", "sources"]


@dataclass(frozen=True)
class Source:
    """One request to a kernel.

    Attributes:
        code: what to run.
        script: ``argv``, ``file`` and ``folder``, as :mod:`hostkernel.kernel.ipython.scripts`
            reads them; None for a notebook's cell.
    """

    code: str
    script: Mapping[str, object] | None = None


def is_notebook(file: str | None) -> bool:
    """Whether ``file`` is a notebook by its name."""
    return file is not None and file.endswith(".ipynb")


def sources(file: str | None, code: str | None, args: Sequence[str]) -> list[Source]:
    """Read everything to run.

    Args:
        file: a script, a notebook, ``-`` for standard input, or None.
        code: what ``-c`` says, or None.
        args: a script's own arguments.

    Raises:
        BadParameter: the file cannot be read.
    """
    if code is not None:
        return [Source(code, {"argv": ["-c", *args]})]
    if is_notebook(file):
        return [Source(cell) for cell in _code_cells(Path(str(file)))]
    if file == "-":
        return [Source(sys.stdin.read(), {"argv": ["-", *args], "file": "<stdin>"})]
    return [_script(str(file), args)]


def _script(file: str, args: Sequence[str]) -> Source:
    # Python, too, resolves symbolic links to find the folder for modules.
    path, folder = Path(file).absolute(), Path(file).resolve().parent
    script = {"argv": [file, *args], "file": str(path), "folder": str(folder)}
    return Source(_read(Path(file)), script)


def _code_cells(path: Path) -> list[str]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise typer.BadParameter(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is not a notebook of format 4"
        raise typer.BadParameter(message) from error
    texts = ["".join(source) for source in code]
    return [text for text in texts if text.strip()]


def _read(path: Path) -> str:
    from tokenize import open as open_source

    try:
        with open_source(path) as stream:
            return stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{path} cannot be read: {reason}"
        raise typer.BadParameter(message) from error
