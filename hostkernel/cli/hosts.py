"""``hostkernel hosts``: the applications that a kernel can live in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .columns import columns

if TYPE_CHECKING:
    from hostkernel.config import Settings
    from hostkernel.host import Host
    from hostkernel.plugins import PluginInfo

__all__ = ["app", "hosts"]

app = typer.Typer(add_completion=False)

_COLUMNS = ("name", "plugin", "version", "found", "summary")


@app.command()
def hosts(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the hosts, and where each was found on this machine."""
    from hostkernel.config import gather

    from .plugins import load

    tables = gather()
    plugins = load(tables)
    settings = tables.validate(plugins.hosts, plugins.problems)
    here = plugins.detected()
    records = [
        {**_record(plugins.hosts[name], info, settings), "detected": plugins.hosts[name] in here}
        for info in plugins.loaded
        for name in info.hosts
    ]
    if as_json:
        print(json.dumps(records, indent=2))
    else:
        print(columns([_COLUMNS, *map(_row, records)]))


def _record(host: type[Host], info: PluginInfo, settings: Settings) -> dict[str, Any]:
    return {
        "name": host.name,
        "summary": host.summary,
        "plugin": info.name,
        "distribution": info.distribution,
        "command": None,
        "path": None,
        "version": None,
        "python": None,
        "problem": None,
        **_found(host, info, settings),
    }


def _found(host: type[Host], info: PluginInfo, settings: Settings) -> dict[str, Any]:
    """Where the application is, or why it is not to be found."""
    from hostkernel.errors import HostkernelError
    from hostkernel.plugins import FAILURES

    try:
        adapter = host(settings.for_host(host))
        if adapter.settings.command:
            return {"command": list(adapter.settings.command)}
        installation = adapter.find()
        if installation is None:
            return {}
        version = adapter.version(installation)
    except HostkernelError as error:
        return {"problem": str(error)}
    except FAILURES as error:
        return {"problem": str(info.blame_exception(error, f"{host.__qualname__}.find"))}
    path, python = str(installation.path), installation.python
    return {"path": path, "version": version, "python": python}


def _row(record: dict[str, Any]) -> tuple[object, ...]:
    command = " ".join(record["command"] or ())
    where = command or record["path"] or (record["problem"] or "").partition("\n")[0]
    mark = " (here)" if record["detected"] else ""
    return (record["name"] + mark, record["plugin"], record["version"], where, record["summary"])
