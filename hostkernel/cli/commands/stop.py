"""``hostkernel stop``: stop kernels, whatever they do at the moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.acting import act_on
from hostkernel.cli.options import JsonOption
from hostkernel.cli.selection import EveryOption, KernelArgument, KernelOption, chosen

if TYPE_CHECKING:
    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_PATIENCE = 15.0  # seconds that a kernel may take to stop


@app.command()
def stop(
    kernel: KernelArgument = None,
    kernel_option: KernelOption = None,
    every: EveryOption = False,
    exit_host: Annotated[bool, typer.Option("--exit-host", help="End the host too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop a kernel. A cell that runs is interrupted; the host goes on if it can."""
    kernels = chosen(kernel, kernel_option, every=every)
    act_on(kernels, partial(_stop, exit_host=exit_host), done="stopped", as_json=as_json)


def _stop(kernel: RunningKernel, *, exit_host: bool) -> str | None:
    from hostkernel.launch.child import wait_until
    from hostkernel.launch.control import ask
    from hostkernel.registry import is_listed

    ask(kernel.info, "stop", exit_host=exit_host)
    if not wait_until(lambda: not is_listed(kernel), _PATIENCE):
        return f"it agreed to stop, but has not within {_PATIENCE:g} s"
    return None
