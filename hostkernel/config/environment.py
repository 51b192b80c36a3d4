"""The layer of environment variables, ``HOSTKERNEL_KERNEL__LOG_LEVEL`` for ``kernel.log_level``.

pydantic-settings reads them one at a time, so that each value has its own origin, and a problem
names its variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hostkernel.errors import Problem

from .layer import Layer, RawTable
from .models import PREFIX, RESERVED, Settings
from .tree import Hosts, Setting, Table, dotted, settings_tree, typed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_settings import BaseSettings

__all__ = ["environment_layers"]

_DELIMITER = "__"
_OF_HOSTS = f"{PREFIX}HOSTS"


def environment_layers(
    variables: Mapping[str, str], hosts: Hosts, cwd: Path
) -> tuple[list[Layer], list[Problem]]:
    """One layer for each variable that is set, the more general first, and the problems.

    An empty variable counts as unset.
    """
    if not variables:
        return [], []
    tree = settings_tree(hosts)
    of_hosts = any(name.upper().startswith(_OF_HOSTS) for name in variables)
    model = typed(hosts) if of_hosts else Settings
    layers: list[Layer] = []
    problems: list[Problem] = []
    for name in sorted(variables, key=lambda name: (name.count(_DELIMITER), name)):
        read = _read(name, variables[name], tree, model, cwd)
        if isinstance(read, Layer):
            layers.append(read)
        elif read:
            problems.append(read)
    return layers, problems


def _read(
    name: str, value: str, tree: Table, model: type[Settings], cwd: Path
) -> Layer | Problem | None:
    path = _key(name, tree)
    if path is None:
        return Problem(name, "unknown variable", nearest=_nearest(name, tree))
    if not value:
        return None
    from pydantic_settings import SettingsError

    try:
        return Layer(name, _decode(path, value, model), cwd, text=value)
    except SettingsError as error:
        return _json_problem(name, value, path, tree, error)


def _decode(path: tuple[str, ...], value: str, model: type[Settings]) -> RawTable:
    from pydantic_settings import EnvSettingsSource

    # It reads the fields of any model; a BaseSettings would have to be imported at every start.
    fields = cast("type[BaseSettings]", model)
    source = EnvSettingsSource(
        fields, case_sensitive=True, env_prefix="", env_nested_delimiter=_DELIMITER
    )
    source.env_vars = {_DELIMITER.join(path): value}
    return _without_null(source())


def _without_null(table: RawTable) -> RawTable:
    """Drop nulls: TOML has none, and a missing key means the same."""
    return {
        key: _without_null(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def _key(name: str, tree: Table) -> tuple[str, ...] | None:
    """The key that a variable sets; a name within a mapping keeps its case."""
    parts = name[len(PREFIX) :].split(_DELIMITER)
    for end in range(len(parts), 0, -1):
        key = tuple(part.lower() for part in parts[:end])
        node = tree.find(key)
        if node is None or node.key != key:
            continue
        rest = tuple(parts[end:])
        return key + rest if not rest or (isinstance(node, Setting) and node.is_mapping) else None
    return None


def _nearest(name: str, tree: Table) -> str | None:
    from difflib import get_close_matches

    names = [PREFIX + _DELIMITER.join(node.key).upper() for node in tree.walk()]
    matches = get_close_matches(name.upper(), [*names, *RESERVED], n=1, cutoff=0.75)
    return matches[0] if matches else None


def _json_problem(
    name: str, value: str, path: tuple[str, ...], tree: Table, error: Exception
) -> Problem:
    node = tree.find(path)
    is_object = isinstance(node, Table) or (node is not None and node.is_mapping)
    expected = 'a JSON object, such as {"key": "value"}' if is_object else 'JSON, such as ["a"]'
    reason = f"not JSON: {error.__cause__}"
    return Problem(name, reason, key=dotted(path), text=value, expected=expected)
