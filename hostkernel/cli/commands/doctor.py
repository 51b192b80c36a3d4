"""``hostkernel doctor``: why would this not start, and what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.completion import complete_host
from hostkernel.cli.failures import FAILED
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.doctor import Checked

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_WIDTH = 9


@app.command()
def doctor(
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The host to start.", autocompletion=complete_host),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would keep a host from starting, or from working well, and what to do about it.

    The exit status is 1 if something would keep it from starting.
    """
    from hostkernel.doctor import examine

    done: list[Checked] = []
    for checked in examine(host):
        done.append(checked)
        if not as_json:
            print("\n".join(_lines(checked)), flush=True)
    failed = any(checked.state == "error" for checked in done)
    if as_json:
        checks = [{**asdict(checked), "state": checked.state} for checked in done]
        print(json.dumps({"ok": not failed, "checks": checks}, indent=2))
    if failed:
        raise typer.Exit(FAILED)


def _lines(checked: Checked) -> Iterator[str]:
    if not checked.findings:
        yield f"{'ok':{_WIDTH}}{checked.name}: {checked.subject}"
    for finding in checked.findings:
        state = "error" if finding.prevents else "warning"
        first, *rest = finding.problem.splitlines()
        yield f"{state:{_WIDTH}}{checked.name}: {first}"
        yield from (f"{'':{_WIDTH}}{line}" for line in rest)
        first, *rest = finding.fix.splitlines()
        yield f"{'':{_WIDTH}}fix: {first}"
        yield from (f"{'':{_WIDTH}}     {line}" for line in rest)
