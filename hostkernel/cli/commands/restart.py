"""``hostkernel restart``: a fresh namespace in the same host, with its document."""

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

_PATIENCE = 15.0  # seconds that a kernel may take


@app.command()
def restart(
    kernel: KernelArgument = None,
    kernel_option: KernelOption = None,
    every: EveryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restart a kernel in its host: the namespace is fresh, the document stays.

    A cell that runs is interrupted.
    """
    kernels = chosen(kernel, kernel_option, every=every)
    act_on(kernels, _restart, done="restarted", as_json=as_json)


def _restart(kernel: RunningKernel) -> str | None:
    from hostkernel.launch.child import wait_until
    from hostkernel.launch.control import ask

    def renewals() -> int:
        return int(ask(kernel.info, "status")["renewals"])

    before = renewals()
    ask(kernel.info, "restart")
    if wait_until(lambda: renewals() > before, _PATIENCE):
        return None
    return "its host is busy; it restarts when the host is free again"
