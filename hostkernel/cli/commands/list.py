"""``hostkernel list``: the kernels of this machine."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hostkernel.cli.columns import columns
from hostkernel.cli.failures import say
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.registry import Listing, RunningKernel

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_FIELDS = ("id", "host", "pid", "state", "activity", "title", "connection_file")
_NONE = "no kernel is running; start one with: hostkernel run"
_EVERY = 1.0  # seconds between looks
_ANSWER = 1.0  # seconds for a kernel to say what it does


@app.command()
def list_kernels(
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and show each change until Ctrl-C.")
    ] = False,
) -> None:
    """List the kernels of this machine, and what each has open and whether it is busy."""
    if watch:
        _watch(as_json=as_json)
        return
    listing, records = _look()
    for note in listing.notes:
        say(note)
    if as_json:
        print(json.dumps(records, indent=2))
    elif records:
        print(_table(records))
    else:
        say(_NONE)


def _watch(*, as_json: bool) -> None:
    """Show each change: on a terminal in place, elsewhere one after the other."""
    clear = "\x1b[2J\x1b[H" if sys.stdout.isatty() and not as_json else ""
    shown = None
    try:
        while True:
            _, records = _look()
            if records != shown:
                text = json.dumps(records) if as_json else _table(records) if records else _NONE
                print(clear + text, flush=True)
                shown = records
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        return


def _look() -> tuple[Listing, list[dict[str, object]]]:
    from hostkernel.registry import kernels

    listing = kernels()
    answers = _ask(listing.kernels)
    pairs = zip(listing.kernels, answers, strict=True)
    return listing, [_record(kernel, answer) for kernel, answer in pairs]


def _ask(kernels: Sequence[RunningKernel]) -> list[dict[str, Any]]:
    """What each does and has open, all asked at once."""
    if not kernels:
        return []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(kernels)) as threads:
        return list(threads.map(_answer, kernels))


def _answer(kernel: RunningKernel) -> dict[str, Any]:
    from hostkernel.errors import RequestError
    from hostkernel.launch.control import ask

    if kernel.state != "running":
        return {}
    try:
        return ask(kernel.info, "status", timeout=_ANSWER, look=True)
    except RequestError:
        return {"state": "no answer"}


def _record(kernel: RunningKernel, answer: dict[str, Any]) -> dict[str, object]:
    facts = kernel.facts
    activity, title = answer.get("state"), answer.get("title", facts.title)
    values = (kernel.id, facts.host, facts.pid, kernel.state, activity, title, str(kernel.file))
    return dict(zip(_FIELDS, values, strict=True))


def _table(records: Sequence[dict[str, object]]) -> str:
    return columns([_FIELDS, *(tuple(record.values()) for record in records)])
