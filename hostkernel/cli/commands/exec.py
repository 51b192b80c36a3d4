"""``hostkernel exec``: run code in a running kernel, or in a host started for it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hostkernel.cli import gc_pause
from hostkernel.cli.completion import complete_host
from hostkernel.cli.selection import KernelOption
from hostkernel.cli.sources import is_notebook, sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.cli.sources import Source
    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)


class _Command(TyperCommand):
    """Behind a script all is the script's, as in ``python FILE ARGS``; not behind a notebook."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = False
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        ctx.allow_interspersed_args = given.get("code") is None and is_notebook(given.get("file"))
        return super().parse_args(ctx, args)


@app.command(cls=_Command, no_args_is_help=True)
def execute(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py|FILE.ipynb|-", help="What to run, - for standard input."),
    ] = None,
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGS",
            help="For the script, as its sys.argv; behind a notebook, after a --, for the host.",
        ),
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
    host_args: Annotated[
        list[str] | None,
        typer.Option(
            "--host-arg",
            metavar="ARG",
            help="With --host: for the host, such as a document; may be repeated.",
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

    Options come before a script: what is behind it is the script's own. Output appears as it
    comes, input() asks here, Ctrl-C interrupts.
    """
    rest = [*([file] if file is not None and code is not None else ()), *(args or ())]
    file = file if code is None else None
    for_host = [*(host_args or ()), *(rest if is_notebook(file) else ())]
    _refuse_nonsense(file, code, output, kernel, host, bool(for_host or overrides), as_json)
    work = sources(file, code, rest)
    notebook = _notebook(Path(str(file))) if output is not None else None
    # Standard input cannot be both the code and the answers to input(); nor does a program answer.
    allow_stdin = file != "-" and not as_json
    job = _Job(work, notebook, output, allow_stdin=allow_stdin, as_json=as_json)
    gc_pause.end()
    if host is None:
        from hostkernel.registry import find

        job.run(find(kernel))
    else:
        from hostkernel.cli.batch import started

        with started(host, overrides or (), tuple(for_host)) as there:
            job.run(there)
    if job.status:
        raise typer.Exit(job.status)


class _Job:
    """What to run, read before anything is started."""

    def __init__(
        self,
        work: Sequence[Source],
        notebook: object,
        output: Path | None,
        *,
        allow_stdin: bool,
        as_json: bool,
    ) -> None:
        self._work = work
        self._notebook = notebook
        self._output = output
        self._allow_stdin = allow_stdin
        self._as_json = as_json
        self.status = 0

    def run(self, kernel: RunningKernel) -> None:
        """Run it there, until one of it fails.

        Raises:
            Exit: it failed by an error, which has been shown.
        """
        if self._output is not None:
            from hostkernel.jupyter import notebook

            notebook.run(kernel, self._notebook, self._output)
            return
        from hostkernel.cli.cell import Collected, Shown, run_cell

        shown = Collected() if self._as_json else Shown()
        for source in self._work:
            self.status = run_cell(kernel.info, source, allow_stdin=self._allow_stdin, shown=shown)
            if self.status:
                break
        if isinstance(shown, Collected):
            print(json.dumps({"kernel": kernel.id, **shown.content()}, indent=2))
        if shown.has_failed:
            raise typer.Exit(self.status)


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
        message = "--set and arguments for the host go with --host NAME"
    elif output is not None and not is_notebook(file):
        message = "-o goes with a notebook"
    elif output is not None and as_json:
        message = "give one of -o OUT.ipynb, --json"
    if message:
        raise typer.BadParameter(message)


def _notebook(path: Path) -> object:
    from hostkernel.errors import MissingExtraError

    if importlib.util.find_spec("nbclient") is None:
        raise MissingExtraError("hostkernel exec -o", "nbclient", "batch")
    from hostkernel.jupyter import notebook

    return notebook.read(path)
