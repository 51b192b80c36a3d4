"""Validate all settings before any problem is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from hostkernel.errors import ConfigError

from .environment import environment_layers
from .layer import merge
from .models import Settings
from .paths import with_absolute_paths
from .problems import at, unknown_host, unknown_key, validation_problems
from .tree import Table, dotted, settings_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from hostkernel.errors import PluginError, Problem
    from hostkernel.host import HostSettings

    from .layer import Layer, Merged, RawTable
    from .positions import KeyPath
    from .tables import Raw, Tables
    from .tree import Hosts

__all__ = ["check", "merge_tables"]

_Model = TypeVar("_Model", bound="BaseModel")


def merge_tables(tables: Tables, hosts: Hosts) -> Merged:
    """Merge all layers, without unreadable variables and values in a table's place."""
    tree = settings_tree(hosts)
    variables, problems = environment_layers(tables.variables, hosts, tables.cwd)
    layers = []
    for layer in (*tables.files, *variables, *tables.options):
        table = _without_misshapen(layer.table, (), tree, layer, problems)
        layers.append(with_absolute_paths(replace(layer, table=table), tree))
    return merge(layers, problems)


def _without_misshapen(
    table: RawTable, path: KeyPath, node: Table, layer: Layer, problems: list[Problem]
) -> RawTable:
    """``table`` without values in a table's place: merged, they would hide other layers."""
    kept = {}
    for key, value in table.items():
        here, below = (*path, key), node.children.get(key)
        if not isinstance(below, Table):
            kept[key] = value
        elif isinstance(value, dict):
            kept[key] = _without_misshapen(value, here, below, layer, problems)
        else:
            problems.append(layer.problem(here, dotted(here), "wrong type", expected="a table"))
    return kept


def check(raw: Raw, broken: Sequence[PluginError]) -> Settings:
    """Return the validated settings, for :meth:`Raw.validate`.

    Raises:
        ConfigError: holds every problem of every place.

    """
    checker = _Check(raw.merged, raw.hosts, absent_are_wrong=not broken)
    settings = checker.settings()
    if found := [*raw.tables.problems, *raw.merged.problems, *checker.problems]:
        raise ConfigError(_in_order(found, raw.tables))
    return settings


class _Check:
    """Validates merged tables model by model, and collects what is wrong."""

    def __init__(self, merged: Merged, hosts: Hosts, *, absent_are_wrong: bool) -> None:
        self.merged = merged
        self.hosts = hosts
        self.absent_are_wrong = absent_are_wrong
        self.problems: list[Problem] = []

    def settings(self) -> Settings:
        """The settings; defaults where there are :attr:`problems`."""
        table = dict(self.merged.table)
        for key in table.keys() - Settings.model_fields.keys():
            self.problems.append(unknown_key((key,), self.merged, settings_tree(self.hosts)))
            del table[key]
        table["hosts"] = self._host_settings(table.get("hosts", {}))
        if isinstance(name := table.get("host"), str) and name not in self.hosts:
            self._absent(name, ("host",))
        return self._model(Settings, table, ()) or Settings()

    def _host_settings(self, tables: Mapping[str, Any]) -> Mapping[str, HostSettings]:
        for name in tables.keys() - self.hosts.keys() - self._disabled():
            self._absent(name, ("hosts", name))
        settings = {
            name: self._model(self.hosts[name].settings_model, table, ("hosts", name))
            for name, table in tables.items()
            if name in self.hosts
        }
        return {name: found for name, found in settings.items() if found is not None}

    def _disabled(self) -> set[object]:
        disable = self.merged.table.get("plugins", {}).get("disable")
        return set(map(str, disable)) if isinstance(disable, list) else set()

    def _absent(self, name: str, path: KeyPath) -> None:
        if self.absent_are_wrong:
            self.problems.append(unknown_host(name, path, self.merged, self.hosts))

    def _model(self, model: type[_Model], table: object, prefix: KeyPath) -> _Model | None:
        try:
            return model.model_validate(table)
        except ValidationError as error:
            tree = settings_tree(self.hosts)
            self.problems += validation_problems(error, prefix, self.merged, tree)
        except Exception as error:  # a plugin's own validator
            message = f"its validation failed with {type(error).__name__}: {error}"
            self.problems.append(at(prefix, self.merged, message))
        return None


def _in_order(problems: Sequence[Problem], tables: Tables) -> Sequence[Problem]:
    """Sort problems by place, the weakest first, and by line within a place."""
    files = [str(place.path) for place in tables.places]
    sources = [*files, *sorted(tables.variables), *(layer.source for layer in tables.options)]
    rank = {source: number for number, source in enumerate(sources)}
    return sorted(problems, key=lambda one: (rank.get(one.source, len(rank)), one.line or 0))
