"""The problems that pydantic found, in plain words and with the place of each value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .layer import Layer
from .tree import Hosts, Table, dotted, nearest_key

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from hostkernel.errors import Problem

    from .layer import Merged
    from .positions import KeyPath

__all__ = ["at", "unknown_host", "unknown_key", "validation_problems"]

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a string",
    "path": "a path, as a string",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "iterable": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "model_attributes": "a table",
    "dataclass": "a table",
    "date": "a date",
    "datetime": "a date and time",
    "url": "an address such as https://example.org",
}
_LIMITS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "string_pattern_mismatch": "text that matches {pattern}",
}


def validation_problems(
    error: ValidationError, prefix: KeyPath, merged: Merged, tree: Table
) -> list[Problem]:
    """The problems in ``error``, one for each value; ``prefix`` is the key of its model."""
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        path = _written(prefix + detail["loc"], merged.table, missing=detail["type"] == "missing")
        by_path.setdefault(path, []).append(detail)
    return [_problem(path, details, merged, tree) for path, details in by_path.items()]


def unknown_key(path: KeyPath, merged: Merged, tree: Table) -> Problem:
    """The problem with a key that nothing reads."""
    return at(path, merged, "unknown key", nearest=nearest_key(path, tree))


def unknown_host(name: str, path: KeyPath, merged: Merged, hosts: Hosts) -> Problem:
    """The problem with a host that no plugin provides."""
    from difflib import get_close_matches

    expected = "one of " + ", ".join(sorted(hosts)) if hosts else None
    matches = get_close_matches(name.lower(), hosts, n=1)
    meant = dotted((*path[:-1], matches[0])) if matches else None
    message = "no plugin provides this host"
    return at(path, merged, message, expected=expected, nearest=meant)


def at(
    path: KeyPath,
    merged: Merged,
    message: str,
    *,
    expected: str | None = None,
    nearest: str | None = None,
) -> Problem:
    """A problem with ``path``, and the place that set it."""
    layer = merged.owner(path) or Layer("settings", {})
    return layer.problem(path, dotted(path), message, expected=expected, nearest=nearest)


def _problem(
    path: KeyPath, details: Sequence[ErrorDetails], merged: Merged, tree: Table
) -> Problem:
    kinds = {detail["type"] for detail in details}
    if "extra_forbidden" in kinds:
        return unknown_key(path, merged, tree)
    if "missing" in kinds:
        return at(path, merged, "missing, and there is no default")
    expected = " or ".join(dict.fromkeys(filter(None, map(_expected, details)))) or None
    return at(path, merged, _message(details[0]), expected=expected, nearest=_meant(details))


def _written(loc: KeyPath, table: Any, *, missing: bool) -> KeyPath:
    """The part of ``loc`` that leads through written values; the rest names parts of types."""
    for end, part in enumerate(loc):
        inside = isinstance(table, Mapping) and part in table
        if not inside and not (isinstance(table, list) and isinstance(part, int)):
            return loc[: end + 1] if missing else loc[:end]
        table = table[part]
    return loc


def _message(detail: ErrorDetails) -> str:
    if detail["type"] in {"value_error", "assertion_error"}:
        return str(detail["ctx"]["error"]) or "wrong value"
    return "wrong type" if detail["type"].endswith("_type") else "wrong value"


def _expected(detail: ErrorDetails) -> str | None:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return None
    if kind in {"literal_error", "enum"}:
        return "one of " + ", ".join(_choices(detail))
    if kind in _LIMITS:
        limits = {k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()}
        return _LIMITS[kind].format_map(limits)
    family = re.sub(r"_(type|parsing|from_float|from_date_parsing)$", "", kind)
    if kind == "string_type" and isinstance(detail["input"], int | float):
        return f'a string: in quotes, "{_toml(detail["input"])}"'
    message = detail["msg"]
    return _KINDS.get(family) or message.removeprefix("Input should be ")


def _toml(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choices(detail: ErrorDetails) -> list[str]:
    """``'a', 'b' or 'c'`` as its parts."""
    return [part.strip("'") for part in re.split(r", | or ", str(detail["ctx"]["expected"]))]


def _meant(details: Sequence[ErrorDetails]) -> str | None:
    from difflib import get_close_matches

    for detail in details:
        if detail["type"] in {"literal_error", "enum"}:
            matches = get_close_matches(str(detail["input"]).lower(), _choices(detail), n=1)
            return matches[0] if matches else None
    return None
