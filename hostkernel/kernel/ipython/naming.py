"""Classes with the names of the classes that they override.

tqdm, rich, pandas and plotly, among others, look for the shell's name to tell a notebook from a
terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["named_as"]

T = TypeVar("T")


def named_as(upstream: type) -> Callable[[type[T]], type[T]]:
    """Give a class the name of ``upstream``, the class that it overrides."""

    def rename(cls: type[T]) -> type[T]:
        cls.__name__, cls.__qualname__ = upstream.__name__, upstream.__qualname__
        cls.__module__ = upstream.__module__
        return cls

    return rename
