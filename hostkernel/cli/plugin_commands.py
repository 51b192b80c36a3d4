"""Commands that plugins bring: entry points of the group ``hostkernel.commands``."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import typer
from typer.main import get_command

__all__ = ["GROUP", "plugin_command", "plugin_commands"]

GROUP = "hostkernel.commands"


def plugin_commands() -> list[str]:
    """The names of the commands, none of them loaded."""
    return sorted(metadata.entry_points(group=GROUP).names)


def plugin_command(name: str) -> Any:
    """Load the command; a broken one reports so when it is run, and harms no other.

    The entry point names a :class:`typer.Typer`.

    Raises:
        KeyError: no plugin brings it.
    """
    entries = tuple(metadata.entry_points(group=GROUP, name=name))
    if not entries:
        raise KeyError(name)
    command: Any = get_command(_load(entries[0]))
    command.name = name
    return command


def _load(entry: metadata.EntryPoint) -> typer.Typer:
    try:
        app = entry.load()
    except (Exception, SystemExit) as error:
        return _broken(entry, f"{type(error).__name__}: {error}", error)
    if isinstance(app, typer.Typer):
        return app
    return _broken(entry, f"{entry.value} is no typer.Typer but {type(app).__name__}")


def _broken(
    entry: metadata.EntryPoint, reason: str, cause: BaseException | None = None
) -> typer.Typer:
    from hostkernel.errors import PluginError

    name, version = (entry.dist.name, entry.dist.version) if entry.dist else (None, None)
    problem = PluginError(entry.name, reason, name, version, GROUP)
    app = typer.Typer(add_completion=False)

    @app.command(
        help=f"Broken: {reason}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def fail() -> None:
        raise problem from cause

    return app
