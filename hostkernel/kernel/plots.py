"""matplotlib's figures under the cell that draws them, unless the host draws by itself.

The host's matplotlib may be older than what our side has of IPython and matplotlib-inline, which
both dropped what it needs: IPython 9.16 the table ``backend2gui``, that every matplotlib below
3.9 imports when it finds a shell, and matplotlib-inline 0.2 calls ``RcParams._get``, which came
with 3.7. Both are supplied here, where they are missing. Rejected: our own matplotlib in front
of the host's, for it would meet the host's numpy; and a backend of ours, for ``get_backend()``
and ``%matplotlib inline`` name the one that everybody knows.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from IPython.core import pylabtools

from .residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .shell import HostShell

__all__ = ["connect_plots", "disconnect_plots", "gui_table", "inline_plots"]

_VARIABLE = "MPLBACKEND"
_BACKEND = "module://matplotlib_inline.backend_inline"
_MODULE = "matplotlib_inline.backend_inline"
_TABLE = "backend2gui"


@contextmanager
def inline_plots() -> Iterator[None]:
    """A step of a cell runs: a first import of matplotlib chooses the inline backend.

    A host that has imported it has chosen by itself. matplotlib reads the variable once.
    """
    with ExitStack() as stack:
        if _MODULE not in sys.modules:
            stack.enter_context(_BackendImport().watched())
        if "matplotlib" not in sys.modules and _VARIABLE not in os.environ:
            stack.enter_context(_chosen())
        yield


@contextmanager
def _chosen() -> Iterator[None]:
    os.environ[_VARIABLE] = _BACKEND
    try:
        yield
    finally:
        if os.environ.get(_VARIABLE) == _BACKEND:
            restore_environment({_VARIABLE: None})


class _BackendImport(MetaPathFinder):
    """Finds no module; when the backend is looked for, an older matplotlib gets ``_get``."""

    def __init__(self) -> None:
        self._given: Any = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look out for the import. The backend calls ``_get`` only then."""
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            if self._given is not None:
                del self._given._get

    def find_spec(self, name: str, *_: object) -> None:
        """Called by Python for each import."""
        if name == _MODULE and self._given is None:
            with suppress(ImportError):
                import matplotlib

                if not hasattr(matplotlib.RcParams, "_get"):
                    self._given = matplotlib.RcParams
                    self._given._get = dict.__getitem__


@contextmanager
def gui_table() -> Iterator[None]:
    """A kernel runs: a matplotlib below 3.9 finds the table that IPython has dropped."""
    if hasattr(pylabtools, _TABLE):
        yield
        return
    table = dict(getattr(pylabtools, f"_deprecated_{_TABLE}", {}))
    setattr(pylabtools, _TABLE, table)
    try:
        yield
    finally:
        if getattr(pylabtools, _TABLE, None) is table:
            delattr(pylabtools, _TABLE)


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
