"""matplotlib's figures under the cell that draws them, unless the host draws by itself."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .shell import HostShell

__all__ = ["connect_plots", "disconnect_plots", "inline_plots"]

_VARIABLE = "MPLBACKEND"
_BACKEND = "module://matplotlib_inline.backend_inline"
_MODULE = "matplotlib_inline.backend_inline"


@contextmanager
def inline_plots() -> Iterator[None]:
    """A step of a cell runs: a first import of matplotlib chooses the inline backend.

    A host that has imported it has chosen by itself. matplotlib reads the variable once.
    """
    if "matplotlib" in sys.modules or _VARIABLE in os.environ:
        yield
        return
    os.environ[_VARIABLE] = _BACKEND
    try:
        yield
    finally:
        if os.environ.get(_VARIABLE) == _BACKEND:
            restore_environment({_VARIABLE: None})


def connect_plots(shell: HostShell) -> None:
    """A fresh shell: it shows the figures, if an earlier one in this process did."""
    inline = sys.modules.get(_MODULE)
    if inline is not None:
        inline.configure_inline_support(shell, sys.modules["matplotlib"].get_backend())


def disconnect_plots() -> None:
    """A shell ends: let go of it."""
    inline = sys.modules.get(_MODULE)
    if inline is not None and inline.InlineBackend.initialized():
        inline.InlineBackend.instance().shell = None
        # Or the next shell would be left without formats for figures.
        inline.configure_inline_support.current_backend = "unset"
        inline.InlineBackend.clear_instance()
