"""``hostkernel config``: what the settings are, where they come from, and what is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli.failures import USAGE, say
from hostkernel.cli.options import JsonOption

if TYPE_CHECKING:
    from hostkernel.config.files import Place
    from hostkernel.loading import Loaded

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True)

_Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Use this file in place of a project file."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
]


@app.callback()
def config() -> None:
    """Show, check and write settings."""


@app.command()
def show(
    config: _Config = None,
    overrides: _Set = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is set.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every setting as it is in effect here, as a settings file."""
    from hostkernel.config import render

    loaded = _load(config, overrides)
    hosts = loaded.plugins.hosts
    table = render.effective(loaded.settings, hosts)
    origins = loaded.raw.origins() if origin else None
    if not as_json:
        _write(render.shown(table, hosts, origins))
    elif origins is None:
        _write_json(table)
    else:
        values = {key: render.look_up(table, key.split(".")) for key in origins}
        _write_json({k: {"value": values[k], "origin": origins[k]} for k in origins})


@app.command()
def check(config: _Config = None, overrides: _Set = None, as_json: JsonOption = False) -> None:
    """Check the settings: every problem of every place at once, exit status 2 if there is one."""
    from hostkernel.errors import ConfigError, Problem

    try:
        loaded = _load(config, overrides)
    except ConfigError as error:
        if not as_json:
            raise
        _write_json({"files": [], "problems": [asdict(problem) for problem in error.problems]})
        raise typer.Exit(USAGE) from None
    local = set(map(str, loaded.settings.plugins.paths))
    broken = [problem for problem in loaded.plugins.problems if problem.plugin in local]
    files = [str(place.path) for place in loaded.raw.tables.places if place.state == "used"]
    if as_json:
        problems = [Problem(each.plugin, each.reason) for each in broken]
        _write_json({"files": files, "problems": [asdict(problem) for problem in problems]})
    elif not broken:
        _write(f"ok: {', '.join(files) or 'no files, only defaults'}\n")
    if broken:
        raise typer.Exit(USAGE)


@app.command()
def init(
    path: Annotated[
        Path,
        typer.Argument(metavar="[PATH]", help="File or directory to write to; - is stdout."),
    ] = Path("hostkernel.toml"),
    config: _Config = None,
    overrides: _Set = None,
) -> None:
    """Write a settings file that has every setting in it, commented out with its default."""
    from hostkernel.config.render import sample

    text = sample(_load(config, overrides).plugins.hosts)
    if str(path) == "-":
        _write(text)
        return
    file = path / "hostkernel.toml" if path.is_dir() else path
    _create(file, text)
    say(f"wrote {file}")


@app.command("path")
def show_places(
    config: _Config = None, overrides: _Set = None, as_json: JsonOption = False
) -> None:
    """Show where settings files are looked for, the strongest first, and which are used."""
    from hostkernel.config import gather

    tables = gather(overrides or (), config=config)
    places = tables.places[::-1]
    if as_json:
        _write_json(
            [{"state": one.state, "kind": one.kind, "path": str(one.path)} for one in places]
        )
    else:
        for place in places:
            _write(f"{place.state:<10}  {place.kind:<7}  {_where(place)}\n")
    for problem in tables.problems:
        say(str(problem))


@app.command()
def schema(config: _Config = None, overrides: _Set = None) -> None:
    """Print a JSON Schema of the settings file, for editors."""
    from hostkernel.config.render import json_schema

    _write_json(json_schema(_load(config, overrides).plugins.hosts))


def _load(config: Path | None, overrides: list[str] | None) -> Loaded:
    from hostkernel.config import gather

    from .plugins import read

    return read(gather(overrides or (), config=config)).check()


def _where(place: Place) -> str:
    if place.kind == "project" and place.state == "absent":
        return f"hostkernel.toml or pyproject.toml [tool.hostkernel] in {place.path} or above"
    return str(place.path)


def _create(file: Path, text: str) -> None:
    from hostkernel.errors import ConfigError, Problem

    try:
        # Others must not be able to write to it, whatever the umask: it would be refused.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        reason = "is there already" if isinstance(error, FileExistsError) else error.strerror
        expected = "a new file: name another, or - to see what would be written"
        raise ConfigError([Problem(str(file), f"{reason}", expected=expected)]) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError:
        file.unlink()
        raise


def _write(text: str) -> None:
    typer.echo(text, nl=False)


def _write_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
