"""The cells' namespace: a module of its own, ``__main__`` while a step of the session runs."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["CellsAsMain", "CellsMain", "let_go"]

# What IPython puts into a namespace, the results of past cells among it; through most of it
# the whole shell would stay alive.
_IPYTHONS_OWN = re.compile(r"In|Out|_dh|_ih|_oh|exit|get_ipython|open|quit|_+|_i+|_i?\d+")
_PYTHONS_OWN = ("__builtins__", "__loader__", "__name__")
_DOCUMENTATION = "Automatically created module for IPython interactive environment"


def let_go(namespace: MutableMapping[str, Any]) -> None:
    """Take out what IPython put in; what cells defined goes on working wherever it is kept."""
    for name in filter(_IPYTHONS_OWN.fullmatch, list(namespace)):
        del namespace[name]


class CellsMain(ModuleType):
    """The module that cells define their names in.

    ``from __main__ import window`` in a cell finds a name of the host's script too, unless the
    cells have one of their own.

    Args:
        of_host: gives the host's ``__main__``.
    """

    __slots__ = ("_of_host",)  # not in the module's dictionary, which is the cells'

    def __init__(self, of_host: Callable[[], object]) -> None:
        super().__init__("__main__", _DOCUMENTATION)
        self._of_host = of_host

    def __getattr__(self, name: str) -> object:
        """Look up what the cells have not defined, but for what says where a module is from."""
        try:
            if not name.startswith("__"):
                return getattr(self._of_host(), name)
        except AttributeError:
            pass
        message = f"module '__main__' has no attribute {name!r}"
        raise AttributeError(message)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be saved by dill with what cells defined, as ``dill.dump_session`` saves a notebook.

        dill knows a module by its exact class. To all others a module is nothing to be pickled.
        """
        by_name = getattr(sys.modules.get("dill._dill"), "_import_module", None)
        if by_name is None:
            return super().__reduce_ex__(protocol)
        content = {name: value for name, value in vars(self).items() if name not in _PYTHONS_OWN}
        let_go(content)
        return by_name, (self.__name__,), content


class CellsAsMain:
    """Lets ``__main__.NAME`` find what cells defined between their steps, as pickle looks it up.

    ``sys.modules["__main__"]`` is the host's own module then; names that it lacks are looked up
    in the cells' namespace (PEP 562).

    Args:
        namespace: gives the cells' namespace of the moment.
    """

    def __init__(self, namespace: Callable[[], MutableMapping[str, Any]]) -> None:
        self._namespace = namespace
        # The dictionary, not the module: hosts clear a module that they have started with.
        self._main: dict[str, Any] = {}

    def install(self) -> None:
        """Begin, also in a ``__main__`` that the host has put in place since the last call."""
        main = sys.modules.get("__main__")
        if not isinstance(main, ModuleType) or vars(main) is self._main:
            return
        self.remove()
        if "__getattr__" not in vars(main):
            self._main = vars(main)
            self._main["__getattr__"] = self._find

    def remove(self) -> None:
        """End."""
        if self._main.get("__getattr__") == self._find:
            del self._main["__getattr__"]
        self._main = {}

    def _find(self, name: str) -> object:
        try:
            return self._namespace()[name]
        except KeyError:
            message = f"module '__main__' has no attribute {name!r}"
            raise AttributeError(message) from None
