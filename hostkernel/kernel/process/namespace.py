"""The cells' namespace: a module of its own, ``__main__`` while a step of the session runs."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["CellsAsMain", "CellsMain", "let_go"]

# What IPython puts into a namespace, including the results of past cells. Most of it would keep
# the whole shell alive.
_IPYTHONS_OWN = re.compile(r"In|Out|_dh|_ih|_oh|exit|get_ipython|open|quit|_+|_i+|_i?\d+")
_PYTHONS_OWN = ("__builtins__", "__loader__", "__name__")
_DOCUMENTATION = "Automatically created module for IPython interactive environment"


def let_go(namespace: MutableMapping[str, Any]) -> None:
    """Take out what IPython put in; what cells defined still works wherever it is referenced."""
    for name in filter(_IPYTHONS_OWN.fullmatch, list(namespace)):
        del namespace[name]


class CellsMain(ModuleType):
    """The module that cells define their names in.

    ``from __main__ import window`` in a cell also finds a name of the host's script, unless the
    cells have defined the same name.

    Args:
        of_host: returns the host's ``__main__``.
    """

    __slots__ = ("_of_host",)  # not in the module's dictionary, which is the cells' namespace

    def __init__(self, of_host: Callable[[], object]) -> None:
        super().__init__("__main__", _DOCUMENTATION)
        self._of_host = of_host

    def __getattr__(self, name: str) -> object:
        """Look up in the host's ``__main__`` what the cells have not defined.

        Except names that begin with ``__``, which say where a module is from.
        """
        try:
            if not name.startswith("__"):
                return getattr(self._of_host(), name)
        except AttributeError:
            pass
        message = f"module '__main__' has no attribute {name!r}"
        raise AttributeError(message)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Let dill save the module with what cells defined, as ``dill.dump_session`` does.

        dill recognises a module by its exact class. All other picklers refuse a module.
        """
        by_name = getattr(sys.modules.get("dill._dill"), "_import_module", None)
        if by_name is None:
            return super().__reduce_ex__(protocol)
        content = {name: value for name, value in vars(self).items() if name not in _PYTHONS_OWN}
        let_go(content)
        return by_name, (self.__name__,), content


class CellsAsMain:
    """Lets ``__main__.NAME`` find cells' definitions between steps too, as pickle needs it.

    Between steps, ``sys.modules["__main__"]`` is the host's own module; names that it lacks are
    looked up in the cells' namespace (PEP 562).

    Args:
        namespace: returns the cells' current namespace.
    """

    def __init__(self, namespace: Callable[[], MutableMapping[str, Any]]) -> None:
        self._namespace = namespace
        # Keep the dictionary, not the module: hosts clear a module that they have started with.
        self._main: dict[str, Any] = {}

    def install(self) -> None:
        """Install the lookup, also in a ``__main__`` that the host has set since the last call."""
        main = sys.modules.get("__main__")
        if not isinstance(main, ModuleType) or vars(main) is self._main:
            return
        self.remove()
        if "__getattr__" not in vars(main):
            self._main = vars(main)
            self._main["__getattr__"] = self._find

    def remove(self) -> None:
        """Remove the lookup."""
        if self._main.get("__getattr__") == self._find:
            del self._main["__getattr__"]
        self._main = {}

    def _find(self, name: str) -> object:
        try:
            return self._namespace()[name]
        except KeyError:
            message = f"module '__main__' has no attribute {name!r}"
            raise AttributeError(message) from None
