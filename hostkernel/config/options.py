"""The layers of the command line: ``--set KEY=VALUE`` and ``--host NAME``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from hostkernel.errors import ConfigError, Problem

from .layer import Layer
from .positions import KEY, split_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["option_layers"]


def option_layers(
    overrides: Sequence[str], host: str | None, cwd: Path
) -> tuple[list[Layer], list[Problem]]:
    """One layer for each valid option, the weakest first, and the problems of the others."""
    layers: list[Layer] = []
    problems: list[Problem] = []
    for override in overrides:
        try:
            layers.append(_override(override, cwd))
        except ConfigError as error:
            problems += error.problems
    if host is not None:
        layers.append(Layer(f"--host {host}", {"host": host}))
    return layers, problems


def _override(text: str, cwd: Path) -> Layer:
    source = f"--set {text}"
    match = KEY.match(text)
    rest = text[match.end() :].lstrip() if match else ""
    if match is None or not rest.startswith("="):
        expected = "KEY=VALUE, such as kernel.log_level=debug"
        raise ConfigError([Problem(source, "not a setting", expected=expected)])
    table: Any = _value(rest[1:].strip())
    for part in reversed(split_key(match[0])):
        table = {part: table}
    return Layer(source, table, cwd)


def _value(text: str) -> object:
    """``text`` as TOML, or itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if table.keys() == {"value"} else text
