"""``hostkernel exec``: run code in a running kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import quick
from .completion import complete_kernel
from .failures import FAILED

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def execute(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE.py|-", help="A script, - for standard input.")
    ] = None,
    code: Annotated[str | None, typer.Option("-c", "--code", help="The code itself.")] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "-k",
            "--kernel",
            metavar="KERNEL",
            help="Prefix of the id, host, pid, title or connection file.",
            autocompletion=complete_kernel,
        ),
    ] = None,
) -> None:
    """Run code in a running kernel as one cell; the exit status is the cell's.

    Output appears as it comes, input() asks here, Ctrl-C interrupts the cell.
    """
    source = _source(file, code)
    from hostkernel.registry import find

    from .cell import run_cell

    quick.end()
    # Standard input cannot be both the code and the answers to input().
    succeeded = run_cell(find(kernel).info, source, allow_stdin=file != "-")
    if not succeeded:
        raise typer.Exit(FAILED)


def _source(file: str | None, code: str | None) -> str:
    if (file is None) == (code is None):
        message = "give either -c CODE or a file, - for standard input"
        raise typer.BadParameter(message)
    if code is not None:
        return code
    return sys.stdin.read() if file == "-" else _read(Path(str(file)))


def _read(path: Path) -> str:
    from tokenize import open as open_source

    if path.suffix == ".ipynb":
        message = f"{path} is a notebook; only scripts can be run"
        raise typer.BadParameter(message)
    try:
        with open_source(path) as stream:
            return stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{path} cannot be read: {reason}"
        raise typer.BadParameter(message) from error
