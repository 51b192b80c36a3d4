"""``hostkernel plugins``: what is installed, and what is wrong with it."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import typer

from hostkernel.cli.columns import columns
from hostkernel.cli.failures import say
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from hostkernel.config import Tables
    from hostkernel.loading import Unchecked
    from hostkernel.plugins import PluginInfo

__all__ = ["app", "plugins", "read"]

app = typer.Typer(add_completion=False)

_COLUMNS = ("name", "distribution", "version", "state", "hosts")


def read(tables: Tables) -> Unchecked:
    """Load the plugins that the settings name, and say what is wrong with the others.

    What they print goes to stderr: stdout is for results.
    """
    from hostkernel import loading

    with contextlib.redirect_stdout(sys.stderr):
        return loading.read(tables, lambda problem: say(str(problem)))


@app.command()
def plugins(
    as_json: JsonOption = False,
) -> None:
    """List the plugins, and what is wrong with them."""
    from hostkernel.config import gather

    tables = gather()
    for problem in tables.problems:
        say(str(problem))
    records = [_record(info) for info in read(tables).plugins.loaded]
    if as_json:
        print(json.dumps(records, indent=2))
    else:
        print(
            columns([_COLUMNS, *([_text(record[key]) for key in _COLUMNS] for record in records)])
        )


def _record(info: PluginInfo) -> dict[str, object]:
    problem = info.problem
    state = "disabled" if info.disabled else "broken" if problem else "loaded"
    return {
        "name": info.name,
        "distribution": info.distribution,
        "version": info.version,
        "path": info.path and str(info.path),
        "state": state,
        "hosts": list(info.hosts),
        "problem": problem and {"hook": problem.hook, "reason": problem.reason},
    }


def _text(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
