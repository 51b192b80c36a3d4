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
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from IPython.core import pylabtools

from hostkernel.kernel.process.residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .shell import HostShell

__all__ = ["InlinePlots", "connect_plots", "disconnect_plots", "gui_table"]

_VARIABLE = "MPLBACKEND"
_BACKEND = "module://matplotlib_inline.backend_inline"
_MODULE = "matplotlib_inline.backend_inline"
_TABLE = "backend2gui"


class InlinePlots(MetaPathFinder):
    """A step of a cell runs: a first import of matplotlib chooses the inline backend.

    A host that has imported it has chosen by itself. matplotlib reads the variable once. An older
    one gets ``_get`` when the backend is looked for, which calls it only then. Each step enters
    one of these, so it does as little as it can.
    """

    def __init__(self) -> None:
        self._watches = _MODULE not in sys.modules
        self._given: Any = None
        self._chose = False

    def __enter__(self) -> None:
        if not self._watches:
            return
        sys.meta_path.insert(0, self)
        # In the environment, as upstream has it: a child of the cell finds it too.
        if "matplotlib" not in sys.modules and _VARIABLE not in os.environ:
            os.environ[_VARIABLE] = _BACKEND
            self._chose = True

    def __exit__(self, *_: object) -> None:
        if not self._watches:
            return
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self._given is not None:
            del self._given._get
        if self._chose and os.environ.get(_VARIABLE) == _BACKEND:
            restore_environment({_VARIABLE: None})

    def find_spec(self, name: str, *_: object) -> None:
        """Called by Python for each import. Finds no module."""
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
