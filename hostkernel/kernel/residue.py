"""What starting a kernel changes in the process, and how it is put back.

Each item is recorded before and after the start. At stop it gets the host's own object back,
but only if it still is what the start left there: a change that somebody made meanwhile is
theirs, and is reported instead.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

__all__ = ["AtexitRecord", "Residue", "cells_as_main", "restore_environment"]

_MISSING = object()

# Modules that are imported here are imported by ipykernel in any case.
_ATTRIBUTES = {
    "sys": ("stdout", "stderr", "displayhook", "excepthook", "ps1", "ps2", "ps3"),
    "builtins": ("__IPYTHON__", "display", "get_ipython", "input", "exit", "quit"),
    "pdb": ("Pdb", "set_trace"),
    "IPython.core.debugger": ("Pdb",),
    "faulthandler": ("enable", "register"),
    "getpass": ("getpass",),
    "comm": ("create_comm", "get_comm_manager"),
}


@dataclass
class _Slot:
    """One place that holds one object."""

    name: str
    place: MutableMapping[str, Any]
    key: str
    before: object
    after: object = _MISSING

    def restore(self) -> str | None:
        found = self.place.get(self.key, _MISSING)
        if found is self.before:
            return None
        if found is not self.after:
            return f"{self.name} was changed by somebody else and is left as it is"
        if self.before is _MISSING:
            del self.place[self.key]
        else:
            self.place[self.key] = self.before
        return None


class Residue:
    """The ledger of one kernel. Made before anything is changed."""

    def __init__(self) -> None:
        self._slots = [
            _Slot(f"{module}.{name}", place, name, place.get(name, _MISSING))
            for module, names in _ATTRIBUTES.items()
            for place in [vars(importlib.import_module(module))]
            for name in names
        ]
        self._slots.append(
            _Slot('sys.modules["__main__"]', sys.modules, "__main__", sys.modules.get("__main__"))
        )
        self._had_empty_path = "" in sys.path

    def settle(self) -> None:
        """The start is over: what differs now is ours."""
        for slot in self._slots:
            slot.after = slot.place.get(slot.key, _MISSING)

    def restore(self) -> list[str]:
        """Put everything back; a sentence for each item that was not."""
        if not self._had_empty_path and "" in sys.path:
            sys.path.remove("")
        return [left for slot in self._slots if (left := slot.restore()) is not None]


class AtexitRecord:
    """What this thread registers with :mod:`atexit` while recording, to take it back."""

    def __init__(self) -> None:
        self._registered: list[Callable[..., object]] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record while inside; other threads register as ever."""
        thread = threading.get_ident()
        register = atexit.register

        def recorder(function: Any, /, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == thread:
                self._registered.append(function)
            return register(function, *args, **kwargs)

        vars(atexit)["register"] = recorder
        try:
            yield
        finally:
            vars(atexit)["register"] = register

    def unregister(self) -> None:
        """Take back what was recorded."""
        for function in self._registered:
            atexit.unregister(function)
        self._registered.clear()


def restore_environment(saved: Mapping[str, str | None]) -> None:
    """Give environment variables their values back; None means that there was none."""
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def cells_as_main(namespace: Callable[[], MutableMapping[str, Any]]) -> Iterator[None]:
    """Let ``__main__.NAME`` find what cells defined, as pickle looks it up.

    ``sys.modules["__main__"]`` stays the host's own module; names that it lacks are looked up
    in the cells' namespace (PEP 562).

    Args:
        namespace: gives the cells' namespace of the moment.
    """
    main = sys.modules.get("__main__")
    # The dictionary, not the module: a host may clear the latter while the kernel runs.
    names = vars(main) if isinstance(main, ModuleType) else None
    if names is None or "__getattr__" in names:
        yield
        return

    def find(name: str) -> object:
        try:
            return namespace()[name]
        except KeyError:
            message = f"module '__main__' has no attribute {name!r}"
            raise AttributeError(message) from None

    names["__getattr__"] = find
    try:
        yield
    finally:
        if names.get("__getattr__") is find:
            del names["__getattr__"]
