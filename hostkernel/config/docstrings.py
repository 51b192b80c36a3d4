"""Docstrings of models and their fields, read from source only when somebody wants to see them.

pydantic can collect them too, but does so while a class is made, in time that grows with the
number of modules loaded; inside a large application every start of a kernel would pay for it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

__all__ = ["class_docstring", "field_docstring"]


def class_docstring(model: type[BaseModel]) -> str:
    """The first paragraph of a class's own docstring on one line, empty if it has none."""
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    return _one_line(text.partition("\n\n")[0])


def field_docstring(model: type[BaseModel], name: str) -> str:
    """The docstring below a field on one line, of the nearest class that has one, else empty."""
    for cls in model.__mro__:
        if text := _field_docstrings(cls).get(name):
            return text
    return ""


@cache
def _field_docstrings(cls: type) -> Mapping[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):  # made at run time, or shipped without source
        return {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: _one_line(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())
