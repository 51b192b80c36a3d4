"""Context variables that tell code whether a cell started it, and which request."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["in_a_cell", "request_header"]

request_header: ContextVar[Mapping[str, Any]] = ContextVar("request_header")
"""The header of the request served in this context; all that the request starts inherits it."""

in_a_cell: ContextVar[bool] = ContextVar("in_a_cell", default=False)
"""True in the context of a cell; all that the cell starts inherits it."""
