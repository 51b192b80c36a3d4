"""``hostkernel stop``: stop kernels, whatever they do at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_kernel
from .failures import FAILED, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_PATIENCE = 15.0  # seconds that a kernel may take to stop

_KERNEL = "Prefix of the id, host, pid, title or connection file; not needed for the only one."


@app.command()
def stop(
    kernel: Annotated[
        str | None, typer.Argument(help=_KERNEL, autocompletion=complete_kernel)
    ] = None,
    kernel_option: Annotated[
        str | None,
        typer.Option(
            "-k", "--kernel", metavar="KERNEL", help=_KERNEL, autocompletion=complete_kernel
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every kernel of this machine.")] = False,
    exit_host: Annotated[bool, typer.Option("--exit-host", help="End the host too.")] = False,
) -> None:
    """Stop a kernel. A cell that runs is interrupted; the host goes on if it can."""
    wanted = [value for value in (kernel, kernel_option) if value is not None]
    if len(wanted) + every > 1:
        message = "give one of KERNEL, -k KERNEL, --all"
        raise typer.BadParameter(message)
    chosen = _every_kernel() if every else _one_kernel(wanted[0] if wanted else None)
    failures = [each for each in chosen if not _stopped(each, exit_host=exit_host)]
    if failures:
        raise typer.Exit(FAILED)


def _every_kernel() -> Sequence[RunningKernel]:
    from hostkernel.registry import kernels

    running = [kernel for kernel in kernels().kernels if kernel.state == "running"]
    if not running:
        say("no kernel is running")
    return running


def _one_kernel(wanted: str | None) -> Sequence[RunningKernel]:
    from hostkernel.registry import find

    return [find(wanted)]


def _stopped(kernel: RunningKernel, *, exit_host: bool) -> bool:
    from hostkernel.errors import RequestError
    from hostkernel.launch.child import wait_until
    from hostkernel.launch.control import ask
    from hostkernel.registry import is_listed

    try:
        ask(kernel.info, "stop", exit_host=exit_host)
    except RequestError as error:
        say(f"{kernel}: {error}")
        return False
    if not wait_until(lambda: not is_listed(kernel), _PATIENCE):
        say(f"{kernel}: it agreed to stop, but has not within {_PATIENCE:g} s")
        return False
    print(f"stopped {kernel}")
    return True
