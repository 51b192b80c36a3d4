"""What runs in the context of a cell knows of it by these."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["in_a_cell", "request_header"]

request_header: ContextVar[Mapping[str, Any]] = ContextVar("request_header")
"""The header of the request that is served in this context, which all that it starts inherits."""

in_a_cell: ContextVar[bool] = ContextVar("in_a_cell", default=False)
"""True in the context of a cell, which all that it starts inherits."""
