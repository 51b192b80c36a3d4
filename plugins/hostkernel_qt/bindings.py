"""The Python binding of Qt that a program uses, found without importing one.

Two bindings in one process crash it, so the program always chooses: until it has imported one,
hostkernel waits for that import.
"""

from __future__ import annotations

import sys
import threading
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["BINDINGS", "Arrival", "application", "loaded"]

BINDINGS = ("PySide6", "PyQt6", "PyQt5", "PySide2")


def loaded() -> Any:
    """The imported ``QtCore`` with an application, else the first in ``BINDINGS``, else None."""
    modules: list[Any] = [sys.modules.get(f"{name}.QtCore") for name in BINDINGS]
    cores = [core for core in modules if hasattr(core, "QCoreApplication")]
    running = (core for core in cores if core.QCoreApplication.instance() is not None)
    return next(running, cores[0] if cores else None)


def application() -> Any:
    """The program's ``QApplication``, None until there is one."""
    core = loaded()
    return None if core is None else core.QCoreApplication.instance()


class Arrival(MetaPathFinder):
    """An import finder that calls back right after the main thread has imported a QtCore.

    Until then it is the first entry of ``sys.meta_path``.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._names = {f"{name}.QtCore" for name in BINDINGS}
        self._callback = callback
        sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Stop waiting."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Wrap the loader of an awaited module; return None for any other module."""
        if fullname not in self._names or threading.current_thread() != threading.main_thread():
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Announcing(spec.loader, self._arrived)
        return spec

    def _arrived(self) -> None:
        self.close()
        self._callback()


class _Announcing(Loader):
    """A stand-in for a module's loader until the module is loaded, which it announces."""

    def __init__(self, loader: Loader, announce: Callable[[], None]) -> None:
        self._loader = loader
        self._announce = announce

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._announce()
