"""``hostkernel kernelspec``: show hosts in Jupyter's launchers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.columns import columns
from hostkernel.cli.completion import complete_host
from hostkernel.cli.failures import say
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostkernel.host import Host
    from hostkernel.jupyter.choose import Attach
    from hostkernel.jupyter.kernelspecs import Installed, Kernelspec
    from hostkernel.plugins import Plugins

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True)

_FIELDS = ("name", "display_name", "host", "folder", "python", "python_is_there")


@app.callback()
def kernelspec() -> None:
    """Show hosts in the launchers of JupyterLab, Notebook and VS Code."""


@app.command(context_settings={"allow_interspersed_args": False})
def install(
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST ARGS", help="For the host, such as a script or a file."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The host to start.", autocompletion=complete_host),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every host found here, and the running kernel.")
    ] = False,
    attach: Annotated[
        bool,
        typer.Option(
            "--attach",
            help="Attach to the kernel that is open; with --host start one if there is none.",
        ),
    ] = False,
    kernel: Annotated[
        str | None,
        typer.Option("-k", "--kernel", metavar="KERNEL", help="With --attach alone: which one."),
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="For this user, the default.")] = False,
    prefix: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For the environment in DIR.")
    ] = None,
    sys_prefix: Annotated[
        bool, typer.Option("--sys-prefix", help="For the environment of this Python.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name for papermill and other programs.")
    ] = None,
    display_name: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What launchers show.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Bake in a setting; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Install a kernelspec that starts a host, or that attaches to a running kernel.

    It is for the Jupyter that runs from the place it is installed to, and that Jupyter's
    environment needs hostkernel too.
    """
    _refuse_nonsense(host, every, attach, kernel, (user, prefix is not None, sys_prefix))
    specs = _chosen(host, every, attach, kernel, overrides or (), tuple(args or ()))
    if name is not None or display_name is not None:
        if len(specs) != 1:
            message = "--name and --display-name are for one kernelspec, not for --all"
            raise typer.BadParameter(message)
        [spec] = specs
        label = display_name or spec.display_name
        specs = [replace(spec, name=name or spec.name, display_name=label)]
    place = Path(sys.prefix) if sys_prefix else prefix
    records = [{"name": spec.name, "folder": str(spec.install(place))} for spec in specs]
    if as_json:
        print(json.dumps(records, indent=2))
    else:
        print("\n".join(f"installed {record['name']} in {record['folder']}" for record in records))


def _refuse_nonsense(
    host: str | None, every: bool, attach: bool, kernel: str | None, places: Sequence[bool]
) -> None:
    if (host is None) == (not every) and not (attach and host is None and not every):
        message = "give one of --host NAME, --all, --attach"
        raise typer.BadParameter(message)
    if kernel is not None and (host is not None or every or not attach):
        message = "-k goes with --attach alone"
        raise typer.BadParameter(message)
    if sum(places) > 1:
        message = "give one of --user, --prefix, --sys-prefix"
        raise typer.BadParameter(message)


def _chosen(
    host: str | None,
    every: bool,
    attach: bool,
    kernel: str | None,
    overrides: Sequence[str],
    args: tuple[str, ...],
) -> list[Kernelspec]:
    from hostkernel.jupyter.kernelspecs import attaching, for_host
    from hostkernel.launch.prepare import prepare

    if host is None and not every:
        return [attaching(kernel)]
    prepared = prepare(host, overrides)
    if host is not None:
        if not attach:
            prepared.launch(args)
        policy: Attach = "if-open" if attach else "never"
        return [for_host(type(prepared.host), overrides, _absolute(args), attach=policy)]
    plugins = prepared.loaded.plugins
    if attach:
        hosts = plugins.hosts.values()
        return [attaching(), *(for_host(each, overrides, attach="if-open") for each in hosts)]
    return [attaching(), *(for_host(each, overrides) for each in _startable(plugins))]


def _startable(plugins: Plugins) -> Iterator[type[Host]]:
    """The hosts that start with no more said; why the others do not goes to stderr."""
    from hostkernel.errors import HostkernelError
    from hostkernel.launch.prepare import prepare

    for name, host in plugins.hosts.items():
        try:
            prepare(name).launch(())
        except HostkernelError as error:
            say(f"left out {name}: {error}")
        else:
            yield host


def _absolute(args: Sequence[str]) -> tuple[str, ...]:
    """The arguments with files named so that they are found from any folder."""
    return tuple(str(Path(arg).absolute()) if Path(arg).is_file() else arg for arg in args)


@app.command("list")
def list_kernelspecs(as_json: JsonOption = False) -> None:
    """List hostkernel's kernelspecs that a Jupyter of this environment sees."""
    from hostkernel.jupyter.kernelspecs import installed

    records = [_record(each) for each in installed()]
    if as_json:
        print(json.dumps(records, indent=2))
    elif records:
        print(columns([_FIELDS[:4], *(tuple(each.values())[:4] for each in records)]))
    else:
        say("none installed; install some with: hostkernel kernelspec install --all")


def _record(found: Installed) -> dict[str, object]:
    values = (getattr(found, name) for name in _FIELDS)
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in zip(_FIELDS, values, strict=True)
    }


@app.command()
def remove(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Name, as kernelspec list shows it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that hostkernel installed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove kernelspecs that hostkernel has installed."""
    from hostkernel.jupyter.kernelspecs import installed

    if bool(names) == every:
        message = "give names, or --all"
        raise typer.BadParameter(message)
    there = {each.name: each for each in installed()}
    if unknown := set(names or ()) - there.keys():
        message = f"hostkernel has not installed {', '.join(sorted(unknown))}; it has: "
        raise typer.BadParameter(message + (", ".join(there) or "none"))
    removed = list(there.values()) if every else [there[name] for name in names or ()]
    for each in removed:
        each.remove()
    if as_json:
        print(json.dumps([_record(each) for each in removed], indent=2))
    else:
        print("\n".join(f"removed {each.name}" for each in removed))
