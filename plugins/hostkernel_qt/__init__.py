"""Qt programs in Python, written with PySide6, PyQt6, PyQt5 or PySide2."""

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
    """One adapter for the four bindings."""
    return (QtHost,)
