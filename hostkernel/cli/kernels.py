"""``hostkernel list``: the kernels of this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .columns import columns
from .failures import say

if TYPE_CHECKING:
    from hostkernel.registry import RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_FIELDS = ("id", "host", "pid", "state", "title", "connection_file")


@app.command()
def list_kernels(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the kernels of this machine."""
    from hostkernel.registry import kernels

    listing = kernels()
    for note in listing.notes:
        say(note)
    if as_json:
        print(json.dumps([_record(kernel) for kernel in listing.kernels], indent=2))
    elif listing.kernels:
        print(columns([_FIELDS, *map(_row, listing.kernels)]))
    else:
        say("no kernel is running; start one with: hostkernel run")


def _record(kernel: RunningKernel) -> dict[str, object]:
    facts = kernel.facts
    values = (kernel.id, facts.host, facts.pid, kernel.state, facts.title, str(kernel.file))
    return dict(zip(_FIELDS, values, strict=True))


def _row(kernel: RunningKernel) -> tuple[str, ...]:
    return tuple("-" if value is None else str(value) for value in _record(kernel).values())
