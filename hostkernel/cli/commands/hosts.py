"""``hostkernel hosts``: the applications that a kernel can live in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from hostkernel.cli.columns import columns
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.host import Host, Installation
    from hostkernel.loading import Loaded
    from hostkernel.plugins import PluginInfo

__all__ = ["app", "hosts"]

app = typer.Typer(add_completion=False)

_COLUMNS = ("name", "plugin", "version", "python", "found", "summary")


@app.command()
def hosts(as_json: JsonOption = False) -> None:
    """List the hosts, and where each was found on this machine.

    The one that would be started comes first, other copies below it.
    """
    from hostkernel.config import gather

    from .plugins import read

    loaded = read(gather()).check()
    plugins = loaded.plugins
    here = plugins.detected()
    records = [
        {**_record(plugins.hosts[name], info, loaded), "detected": plugins.hosts[name] in here}
        for info in plugins.loaded
        for name in info.hosts
    ]
    if as_json:
        print(json.dumps(records, indent=2))
    else:
        rows = [row for record in records for row in _rows(record)]
        print(columns([_COLUMNS, *rows]))


def _record(host: type[Host], info: PluginInfo, loaded: Loaded) -> dict[str, Any]:
    return {
        "name": host.name,
        "summary": host.summary,
        "plugin": info.name,
        "distribution": info.distribution,
        "command": None,
        "path": None,
        "version": None,
        "python": None,
        "others": [],
        "problem": None,
        **_found(host, info, loaded),
    }


def _found(host: type[Host], info: PluginInfo, loaded: Loaded) -> dict[str, Any]:
    """Where the application is, or why it is not to be found."""
    from hostkernel.errors import HostkernelError
    from hostkernel.host.launching import to_start
    from hostkernel.plugins import FAILURES

    copies: list[Installation] = []
    problem = None
    try:
        adapter = loaded.host(host.name)
        if adapter.settings.command:
            return {"command": list(adapter.settings.command)}
        try:
            copies.extend(adapter.find())
        except HostkernelError as error:
            problem = str(error)
        chosen = to_start(copies)
        others = [_facts(each) for each in copies if each is not chosen]
        return {**(_facts(chosen) if chosen else {}), "others": others, "problem": problem}
    except HostkernelError as error:
        return {"problem": str(error)}
    except FAILURES as error:
        return {"problem": str(info.blame_exception(error, f"{host.__qualname__}.find"))}


def _facts(found: Installation) -> dict[str, Any]:
    known = found.examined()
    return {"path": str(known.path), "version": known.version, "python": known.python}


def _rows(record: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    command = " ".join(record["command"] or ())
    where = command or record["path"] or (record["problem"] or "").partition("\n")[0]
    name = record["name"] + (" (here)" if record["detected"] else "")
    version, python = record["version"], record["python"]
    yield (name, record["plugin"], version, python, where, record["summary"])
    for other in record["others"]:
        yield (" ", " ", other["version"], other["python"], other["path"], " ")
