"""Qt programs in Python, written with PySide6, PyQt6 or PyQt5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostkernel.hookspecs import hookimpl

from .adapter import QtHost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostkernel.host import Host

__all__ = ["QtHost", "hostkernel_hosts"]


@hookimpl
def hostkernel_hosts() -> Iterable[type[Host]]:
    """One adapter for the three bindings."""
    return (QtHost,)
