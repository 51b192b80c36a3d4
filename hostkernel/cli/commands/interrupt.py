"""``hostkernel interrupt``: interrupt the cell that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hostkernel.cli.acting import act_on
from hostkernel.cli.options import JsonOption
from hostkernel.cli.selection import EveryOption, KernelArgument, KernelOption, chosen

if TYPE_CHECKING:
    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def interrupt(
    kernel: KernelArgument = None,
    kernel_option: KernelOption = None,
    every: EveryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Interrupt the cell that a kernel runs. A host that is idle is left alone."""
    kernels = chosen(kernel, kernel_option, every=every)
    act_on(kernels, _interrupt, done="interrupted", as_json=as_json)


def _interrupt(kernel: RunningKernel) -> None:
    from hostkernel.launch.control import ask

    ask(kernel.info, "interrupt")
