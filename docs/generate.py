"""Write what is generated from docstrings and help texts: run it when one has changed.

    python docs/generate.py

It writes hostkernel.toml, docs/settings.md and docs/cli.md.
"""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from hostkernel.cli import app
from hostkernel.cli.plugin_commands import GROUP, plugin_commands
from hostkernel.config import render
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.host import Host

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = """\
# Settings

Every setting, with its type and default. Where they can be set: [configuration](configuration.md).
This page is generated from the docstrings of the settings.

Every host has a table of its own, `[hosts.NAME]`. A table of a host that no plugin provides is an
error, unless its plugin is broken or disabled.

"""
COMMANDS = """\
# Command line

Every command, with its arguments and options. This page is generated from the help texts: each
command shows its own with `--help`. `hostkernel --version` shows the version, and
`hostkernel --install-completion` installs completion for the current shell.

| exit status | |
|---|---|
| 0 | all went well |
| 1 | it failed |
| 2 | the command line or the settings are wrong |
| 3 | the host did not start |
| 130 | Ctrl-C |

The status of `exec` is that of the code, and `run` passes on that of a script.
"""


def documents() -> Iterator[tuple[Path, str]]:
    """Each generated file, and what it should be."""
    hosts = bundled_hosts()
    yield ROOT / "hostkernel.toml", render.sample(hosts)
    yield ROOT / "docs" / "settings.md", SETTINGS + render.markdown(hosts)
    yield ROOT / "docs" / "cli.md", COMMANDS + "".join(described(bundled_commands(), "hostkernel"))


def bundled_hosts() -> dict[str, type[Host]]:
    """The hosts of hostkernel's own plugins, whatever else is installed."""
    plugins = Plugins.load()
    ours = [info for info in plugins.loaded if info.distribution == "hostkernel"]
    return {name: plugins.hosts[name] for info in ours for name in info.hosts}


def bundled_commands() -> dict[str, Any]:
    """The commands of hostkernel and its own plugins, whatever else is installed."""
    entries = distribution("hostkernel").entry_points.select(group=GROUP)
    foreign = set(plugin_commands()) - entries.names
    commands = get_command(app).commands
    return {name: commands[name] for name in commands if name not in foreign}


def described(commands: dict[str, Any], parent: str, heading: str = "##") -> Iterator[str]:
    """A section for each command that is not hidden, and below it for each of its commands."""
    for name, command in commands.items():
        if command.hidden:
            continue
        below = getattr(command, "commands", {})
        full = f"{parent} {name}"
        yield f"\n{heading} {full}\n\n{text(command.help)}\n"
        if not below:
            parameters = [one for one in command.params if not one.hidden]
            yield f"\n```text\n{usage(full, parameters)}\n```\n"
            yield "".join(table(parameters))
        yield from described(below, full, heading + "#")


def usage(name: str, parameters: list[Any]) -> str:
    """The command line in one line."""
    options = "" if all(is_argument(one) for one in parameters) else " [OPTIONS]"
    arguments = [
        (one.metavar if one.required else f"[{placeholder(one)}]") + "..." * (one.nargs != 1)
        for one in parameters
        if is_argument(one)
    ]
    return " ".join((name + options, *arguments))


def table(parameters: list[Any]) -> Iterator[str]:
    """The arguments and options as a table of Markdown."""
    if parameters:
        yield "\n| argument or option | default | |\n|---|---|---|\n"
    for one in sorted(parameters, key=lambda one: not is_argument(one)):
        names = "" if is_argument(one) else ", ".join((*one.opts, *one.secondary_opts))
        value = "" if getattr(one, "is_flag", False) else placeholder(one)
        default = "" if one.default in (None, False, ()) else f"`{one.default}`"
        cells = (f"`{f'{names} {value}'.strip()}`", default, text(one.help))
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def is_argument(parameter: Any) -> bool:
    """Whether a parameter is found by its position."""
    return bool(parameter.param_type_name == "argument")


def placeholder(parameter: Any) -> str:
    """What stands for the value."""
    return (parameter.metavar or parameter.name.upper()).strip("[]")


def text(help_text: str) -> str:
    """A help text as Markdown, with its options as code."""
    return re.sub(r"(?<![\w`-])--?[a-z][\w-]*", r"`\g<0>`", help_text.strip())


if __name__ == "__main__":
    for file, content in documents():
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8", newline="\n")
