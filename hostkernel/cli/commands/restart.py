"""``hostkernel restart``: a fresh namespace in the same host, with its document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from hostkernel.cli.failures import FAILED, say
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
    asked = chosen(kernel, kernel_option, every=every)
    done = [each for each in asked if _restarted(each)]
    if as_json:
        print(json.dumps({"restarted": [each.id for each in done]}))
    else:
        for each in done:
            print(f"restarted {each}")
    if len(done) < len(asked):
        raise typer.Exit(FAILED)


def _restarted(kernel: RunningKernel) -> bool:
    from hostkernel.errors import RequestError
    from hostkernel.launch.child import wait_until
    from hostkernel.launch.control import ask

    def renewals() -> int:
        return int(ask(kernel.info, "status")["renewals"])

    try:
        before = renewals()
        ask(kernel.info, "restart")
        if wait_until(lambda: renewals() > before, _PATIENCE):
            return True
    except RequestError as error:
        say(f"{kernel}: {error}")
        return False
    say(f"{kernel}: its host is busy; it restarts when the host is free again")
    return False
