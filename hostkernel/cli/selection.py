"""Select the kernels that a command is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_kernel
from .failures import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.registry import RunningKernel

__all__ = ["EveryOption", "KernelArgument", "KernelOption", "chosen", "named"]

_HELP = "Prefix of the id, host, pid, title or connection file; not needed for the only one."

KernelArgument = Annotated[
    str | None, typer.Argument(metavar="KERNEL", help=_HELP, autocompletion=complete_kernel)
]
KernelOption = Annotated[
    str | None,
    typer.Option("-k", "--kernel", metavar="KERNEL", help=_HELP, autocompletion=complete_kernel),
]
EveryOption = Annotated[bool, typer.Option("--all", help="Every kernel of this machine.")]


def named(argument: str | None, option: str | None) -> str | None:
    """The kernel that the command line names, by an argument or by ``-k``."""
    if argument is not None and option is not None:
        message = "give one of KERNEL, -k KERNEL"
        raise typer.BadParameter(message)
    return argument if option is None else option


def chosen(argument: str | None, option: str | None, *, every: bool) -> Sequence[RunningKernel]:
    """The kernels that the command line names, or the only one there is.

    Raises:
        SelectionError: none fits, or several do.
    """
    from hostkernel.registry import find, kernels

    wanted = named(argument, option)
    if not every:
        return [find(wanted)]
    if wanted is not None:
        message = "give one of KERNEL, --all"
        raise typer.BadParameter(message)
    running = [kernel for kernel in kernels().kernels if kernel.state == "running"]
    if not running:
        say("no kernel is running")
    return running
