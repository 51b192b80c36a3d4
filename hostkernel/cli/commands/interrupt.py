"""``hostkernel interrupt``: interrupt the cell that runs."""

from __future__ import annotations

import json

import typer

from hostkernel.cli.failures import FAILED, say
from hostkernel.cli.options import JsonOption
from hostkernel.cli.selection import EveryOption, KernelArgument, KernelOption, chosen

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
    from hostkernel.errors import RequestError
    from hostkernel.launch.control import ask

    done: list[str] = []
    asked = chosen(kernel, kernel_option, every=every)
    for each in asked:
        try:
            ask(each.info, "interrupt")
        except RequestError as error:
            say(f"{each}: {error}")
        else:
            done.append(each.id)
            if not as_json:
                print(f"interrupted {each}")
    if as_json:
        print(json.dumps({"interrupted": done}))
    if len(done) < len(asked):
        raise typer.Exit(FAILED)
