"""``hostkernel logs``: what a host printed that runs without a terminal."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path  # noqa: TC003 - Typer evaluates annotations
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.options import JsonOption
from hostkernel.cli.selection import KernelArgument, KernelOption, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_LOOK = 0.2  # seconds between looks at a log that grows


@app.command()
def logs(
    kernel: KernelArgument = None,
    kernel_option: KernelOption = None,
    lines: Annotated[
        int, typer.Option("-n", "--lines", min=1, help="How many lines from the end.")
    ] = 1000,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Stay until the kernel ends.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a detached host printed outside of cells, also after its end.

    Without KERNEL: of the only kernel that runs, else the newest log.
    """
    if follow and as_json:
        message = "give one of --follow, --json"
        raise typer.BadParameter(message)
    file, running = _found(named(kernel, kernel_option))
    with file.open(encoding="utf-8", errors="replace") as stream:
        last = deque(stream, lines)
        if as_json:
            print(json.dumps({"file": str(file), "lines": [line.rstrip("\n") for line in last]}))
            return
        print("".join(last), end="", flush=True)
        while follow and running is not None and _goes_on(running):
            print(stream.read(), end="", flush=True)
            time.sleep(_LOOK)
        print(stream.read(), end="", flush=True)


def _goes_on(kernel: RunningKernel) -> bool:
    from hostkernel.registry import tells_of

    return tells_of(kernel.file, kernel.info)


def _found(wanted: str | None) -> tuple[Path, RunningKernel | None]:
    """The log, and its kernel if that still runs."""
    from hostkernel.errors import LogError, SelectionError
    from hostkernel.registry import find

    try:
        kernel = find(wanted)
    except SelectionError as error:
        if wanted is None and error.candidates:
            raise
        file = _newest(None, lambda name: wanted is None or f"-{wanted}" in name)
        if file is None:
            raise LogError(wanted) from error
        return file, None
    file = _newest(kernel.facts.host, lambda name: name.endswith(f"-{kernel.id}.log"))
    if file is None:
        raise LogError(wanted, str(kernel))
    return file, kernel


def _newest(host: str | None, fits: Callable[[str], bool]) -> Path | None:
    files = [file for file in _folder(host).glob("*.log") if fits(file.name)]
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def _folder(host: str | None) -> Path:
    from hostkernel.errors import HostkernelError
    from hostkernel.launch.prepare import prepare

    try:
        return prepare(host).paths.log
    except HostkernelError:  # of a plugin that is not to be found from here
        if host is None:
            raise
        return _folder(None)
