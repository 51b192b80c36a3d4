"""``hostkernel stop``: stop kernels, whatever they do at the moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.failures import FAILED, say
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
    asked = chosen(kernel, kernel_option, every=every)
    done: list[str] = []
    for each in asked:
        if _stopped(each, exit_host=exit_host):
            done.append(each.id)
            if not as_json:
                print(f"stopped {each}")
    if as_json:
        print(json.dumps({"stopped": done}))
    if len(done) < len(asked):
        raise typer.Exit(FAILED)


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
    return True
