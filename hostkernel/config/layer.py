"""One layer of settings as written, and several layers merged, each value with its origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hostkernel.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from .positions import KeyPath

__all__ = ["Layer", "Merged", "merge"]

RawTable = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """The settings of one file, variable or option.

    Attributes:
        source: the file's path, the variable's name, or the option as it was given.
        table: the values, as TOML knows them.
        base: the directory that relative paths are relative to; None if they are absolute.
        positions: the line of each key, if ``source`` is a file.
        lines: the file's lines.
        text: the value as it was written, if ``source`` does not show it.

    """

    source: str
    table: RawTable
    base: Path | None = None
    positions: Mapping[KeyPath, int] = field(default_factory=dict)
    lines: Sequence[str] = ()
    text: str | None = None

    def line(self, path: KeyPath) -> int | None:
        """The line of ``path``, or of the nearest table or array around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.positions:
                return self.positions[path[:end]]
        return None

    def origin(self, path: KeyPath) -> str:
        """Where ``path`` is set, for ``config show --origin``."""
        line = self.line(path)
        source = self.source.split(" ")[0] if self.source.startswith("--") else self.source
        return f"{source}:{line}" if line else source

    def problem(
        self,
        path: KeyPath,
        key: str,
        message: str,
        *,
        expected: str | None = None,
        nearest: str | None = None,
    ) -> Problem:
        """A problem with ``path``, and the line as it was written."""
        line = self.line(path)
        text = self.lines[line - 1].strip() if line else self.text
        return Problem(self.source, message, line, key, text, expected, nearest)


@dataclass(frozen=True)
class Merged:
    """Several layers in one: tables are merged, all other values are replaced.

    Attributes:
        table: the values, as TOML knows them.
        owners: the layer that set each key.
        problems: what was left out.

    """

    table: RawTable
    owners: Mapping[KeyPath, Layer]
    problems: Sequence[Problem] = ()

    def owner(self, path: KeyPath) -> Layer | None:
        """The layer that set ``path``, or the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.owners:
                return self.owners[path[:end]]
        return None


def merge(layers: Iterable[Layer], problems: Sequence[Problem] = ()) -> Merged:
    """Merge ``layers``, the weakest first; ``problems`` are what was left out of them."""
    table: RawTable = {}
    owners: dict[KeyPath, Layer] = {}
    for layer in layers:
        _merge_into(table, layer.table, (), layer, owners)
    return Merged(table, owners, problems)


def _merge_into(
    table: RawTable,
    above: Mapping[str, Any],
    path: KeyPath,
    layer: Layer,
    owners: dict[KeyPath, Layer],
) -> None:
    for key, value in above.items():
        here = (*path, key)
        owners[here] = layer
        if isinstance(value, Mapping):
            below = table.get(key)
            table[key] = below if isinstance(below, dict) else {}
            _merge_into(table[key], value, here, layer, owners)
        else:
            table[key] = value
            _forget_below(here, owners)


def _forget_below(path: KeyPath, owners: dict[KeyPath, Layer]) -> None:
    for old in list(owners):
        if len(old) > len(path) and old[: len(path)] == path:
            del owners[old]
