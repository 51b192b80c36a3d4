"""Make relative paths absolute by the place where they were written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path, PurePath
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from .tree import Setting, Table

if TYPE_CHECKING:
    from .layer import Layer, RawTable

__all__ = ["with_absolute_paths"]


def with_absolute_paths(layer: Layer, tree: Table) -> Layer:
    """``layer`` with every value of a path type made absolute."""
    if layer.base is None:
        return layer
    return replace(layer, table=_in_table(layer.table, tree, layer.base), base=None)


def _in_table(table: Mapping[str, Any], node: Table, base: Path) -> RawTable:
    return {key: _in_node(value, node.children.get(key), base) for key, value in table.items()}


def _in_node(value: Any, node: Setting | Table | None, base: Path) -> Any:
    if isinstance(node, Table):
        return _in_table(value, node, base)
    if node is None:
        return value
    if node.key[0] == "hosts" and node.key[-1] == "command":
        return _in_command(value, base)
    return _in_value(value, node.field.annotation, base)


def _in_command(value: Any, base: Path) -> Any:
    """Make a program with a separator or ``~`` absolute; a bare name is looked up on PATH."""
    match value:
        case [str(program), *args] if os.path.dirname(program) or program.startswith("~"):  # noqa: PTH120
            return [_absolute(program, base), *args]
    return value


def _in_value(value: Any, annotation: Any, base: Path) -> Any:
    if isinstance(value, str):
        return _absolute(value, base) if _is_path(annotation, value) else value
    options = _options(annotation)
    if isinstance(value, list):
        items = next((_items(one, len(value)) for one in options if _is_list(one)), ())
        pairs = zip_longest(value, items[: len(value)])
        return [_in_value(item, of, base) for item, of in pairs]
    if isinstance(value, dict):
        fields = next((_fields(one, value) for one in options if _fields(one, value)), {})
        return {key: _in_value(below, fields.get(key), base) for key, below in value.items()}
    return value


def _items(annotation: Any, count: int) -> Sequence[Any]:
    args = get_args(annotation)
    fixed = get_origin(annotation) is tuple and Ellipsis not in args
    return args if fixed else args[:1] * count


def _fields(annotation: Any, keys: Iterable[str]) -> Mapping[str, Any]:
    if get_origin(annotation) in {dict, Mapping}:
        return dict.fromkeys(keys, get_args(annotation)[1])
    model = getattr(annotation, "model_fields", {})
    return {name: field.annotation for name, field in model.items()}


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Sequence | Set)


def _is_path(annotation: Any, value: str) -> bool:
    options = _options(annotation)
    words = [word for one in options if get_origin(one) is Literal for word in get_args(one)]
    paths = [one for one in options if isinstance(one, type) and issubclass(one, PurePath)]
    return bool(paths) and str not in options and value not in words


def _options(annotation: Any) -> Sequence[Any]:
    """The types a value may have: those of a union, without what Annotated adds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _options(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return [option for one in get_args(annotation) for option in _options(one)]
    return (annotation,)


def _absolute(path: str, base: Path) -> str:
    return str(base / os.path.expanduser(path))  # noqa: PTH111 - never raises
