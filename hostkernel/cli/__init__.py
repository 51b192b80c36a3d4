"""The command line. Each command is a module, imported when the command is typed."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from . import gc_pause

__all__ = ["Action", "app", "main"]

Action = Callable[[], int]
"""What a command does once the command line is parsed; returns the exit status."""

_COMMANDS = (
    "run",
    "list",
    "exec",
    "console",
    "relay",
    "logs",
    "interrupt",
    "restart",
    "stop",
    "kernelspec",
    "hosts",
    "plugins",
    "config",
    "doctor",
)


class _Commands(Mapping[str, Any]):
    """The commands by name; reading one imports it."""

    def __getitem__(self, name: str) -> Any:
        if name not in _COMMANDS:
            from .plugin_commands import plugin_command

            return plugin_command(name)
        command: Any = get_command(importlib.import_module(f"{__name__}.commands.{name}").app)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        from .plugin_commands import plugin_commands

        return iter(dict.fromkeys((*_COMMANDS, *plugin_commands())))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        commands: Any = _Commands()
        self.commands = commands


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"hostkernel {version('hostkernel')}")
        raise typer.Exit


app = typer.Typer(cls=_Group, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _hostkernel(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """A real Jupyter kernel inside any application that embeds Python."""


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        args: without the program's name; ``sys.argv`` by default.

    Returns:
        The exit status: 0 fine, 1 failed, 2 usage or configuration, 3 the host did not start,
        130 Ctrl-C.

    """
    from hostkernel.errors import HostkernelError

    gc_pause.begin()
    actions: list[Action] = []
    try:
        status = _parse(args, actions)
        # Not inside the parser, which catches too much: a host may run in this very process.
        return actions[0]() if actions else status
    except KeyboardInterrupt:
        return 130
    except HostkernelError as error:
        from .failures import explain

        return explain(error)
    finally:
        _let_go_of_output()


def _let_go_of_output() -> None:
    """Drop output to a terminal or pipe that is gone; otherwise Python exits with status 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parse(args: Sequence[str] | None, actions: list[Action]) -> int:
    try:
        get_command(app).main(args, "hostkernel", obj=actions)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0
