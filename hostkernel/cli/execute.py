"""``hostkernel exec``: run code in a running kernel, or in a host started for it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import quick
from .completion import complete_host
from .failures import FAILED
from .selection import KernelOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def execute(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py|FILE.ipynb|-", help="What to run, - for standard input."),
    ] = None,
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST ARGS", help="With --host: for the host, after a --."),
    ] = None,
    code: Annotated[str | None, typer.Option("-c", "--code", help="The code itself.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.ipynb", help="Write the notebook as run."),
    ] = None,
    kernel: KernelOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Start this host, run the code there, end it.",
            autocompletion=complete_host,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="With --host: change a setting."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON once it is done, for programs.")
    ] = False,
) -> None:
    """Run code in a running kernel; the exit status is the code's.

    Output appears as it comes, input() asks here, Ctrl-C interrupts.
    """
    _refuse_nonsense(file, code, output, kernel, host, bool(args or overrides), as_json)
    cells = _cells(file, code)
    notebook = _notebook(Path(str(file))) if output is not None else None
    # Standard input cannot be both the code and the answers to input(); nor does a program answer.
    allow_stdin = file != "-" and not as_json
    work = _Work(cells, notebook, output, allow_stdin=allow_stdin, as_json=as_json)
    quick.end()
    if host is None:
        from hostkernel.registry import find

        work.run(find(kernel))
    else:
        from .batch import started

        with started(host, overrides or (), tuple(args or ())) as there:
            work.run(there)


class _Work:
    """What to run, read before anything is started."""

    def __init__(
        self,
        cells: Sequence[str],
        notebook: object,
        output: Path | None,
        *,
        allow_stdin: bool,
        as_json: bool,
    ) -> None:
        self._cells = cells
        self._notebook = notebook
        self._output = output
        self._allow_stdin = allow_stdin
        self._as_json = as_json

    def run(self, kernel: RunningKernel) -> None:
        """Run it there; what fails has been shown, and ends the command."""
        if self._output is not None:
            from hostkernel.jupyter import notebook

            notebook.run(kernel, self._notebook, self._output)
            return
        from .cell import Collected, Shown, run_cell

        shown = Collected() if self._as_json else Shown()
        succeeded = all(
            run_cell(kernel.info, cell, allow_stdin=self._allow_stdin, shown=shown)
            for cell in self._cells
        )
        if isinstance(shown, Collected):
            print(json.dumps({"kernel": kernel.id, **shown.content()}, indent=2))
        if not succeeded:
            raise typer.Exit(FAILED)


def _refuse_nonsense(
    file: str | None,
    code: str | None,
    output: Path | None,
    kernel: str | None,
    host: str | None,
    for_host: bool,
    as_json: bool,
) -> None:
    message = ""
    if (file is None) == (code is None):
        message = "give either -c CODE or a file, - for standard input"
    elif kernel is not None and host is not None:
        message = "give one of -k KERNEL, --host NAME"
    elif for_host and host is None:
        message = "--set and HOST ARGS go with --host NAME"
    elif output is not None and not str(file).endswith(".ipynb"):
        message = "-o goes with a notebook"
    elif output is not None and as_json:
        message = "give one of -o OUT.ipynb, --json"
    if message:
        raise typer.BadParameter(message)


def _cells(file: str | None, code: str | None) -> Sequence[str]:
    if code is not None:
        return [code]
    if file == "-":
        return [sys.stdin.read()]
    path = Path(str(file))
    return _code_cells(path) if path.suffix == ".ipynb" else [_read(path)]


def _code_cells(path: Path) -> list[str]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise typer.BadParameter(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is no notebook of format 4"
        raise typer.BadParameter(message) from error
    texts = ["".join(source) for source in code]
    return [text for text in texts if text.strip()]


def _notebook(path: Path) -> object:
    from hostkernel.errors import MissingExtraError

    if importlib.util.find_spec("nbclient") is None:
        raise MissingExtraError("hostkernel exec -o", "nbclient", "batch")
    from hostkernel.jupyter import notebook

    return notebook.read(path)


def _read(path: Path) -> str:
    from tokenize import open as open_source

    try:
        with open_source(path) as stream:
            return stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{path} cannot be read: {reason}"
        raise typer.BadParameter(message) from error
