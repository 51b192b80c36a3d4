"""matplotlib's figures under the cell that draws them, unless the host draws by itself.

The host's matplotlib may be too old for the kernel's IPython and matplotlib-inline: IPython 9.16
dropped the table ``backend2gui``, which every matplotlib below 3.9 imports when it finds a
shell, and matplotlib-inline 0.2 calls ``RcParams._get``, which came with matplotlib 3.7. Both
are supplied here where they are missing. Rejected: the kernel's own matplotlib in front of the
host's, because it would meet the host's numpy; and a backend of hostkernel's own, because
``get_backend()`` and ``%matplotlib inline`` name the one that everybody knows.
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
    """Has a first import of matplotlib in a step of a cell choose the inline backend.

    A host that has imported matplotlib has chosen already. matplotlib reads the variable once. A
    matplotlib below 3.7 gets ``_get`` when the backend is looked for: only its import calls it.
    Each step enters one of these objects, so it does as little as it can.
    """

    def __init__(self) -> None:
        self._watches = _MODULE not in sys.modules
        self._given: Any = None
        self._chose = False

    def __enter__(self) -> None:
        if not self._watches:
            return
        sys.meta_path.insert(0, self)
        # In the environment, as upstream: a child of the cell finds it too.
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
        """Supply ``_get`` when the inline backend is imported; find no module.

        Python calls this for each import.
        """
        if name == _MODULE and self._given is None:
            with suppress(ImportError):
                import matplotlib

                if not hasattr(matplotlib.RcParams, "_get"):
                    self._given = matplotlib.RcParams
                    self._given._get = dict.__getitem__


@contextmanager
def gui_table() -> Iterator[None]:
    """Supply the table that IPython has dropped to a matplotlib below 3.9 while a kernel runs."""
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
    """Have a new shell show the figures, if an earlier one in this process did."""
    inline = sys.modules.get(_MODULE)
    if inline is not None:
        inline.configure_inline_support(shell, sys.modules["matplotlib"].get_backend())


def disconnect_plots() -> None:
    """Have matplotlib-inline release the shell that ends."""
    inline = sys.modules.get(_MODULE)
    if inline is not None and inline.InlineBackend.initialized():
        inline.InlineBackend.instance().shell = None
        # Otherwise the next shell would have no formats for figures.
        inline.configure_inline_support.current_backend = "unset"
        inline.InlineBackend.clear_instance()
