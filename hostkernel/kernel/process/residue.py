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
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

__all__ = ["AtexitRecord", "Residue", "restore_environment"]

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
_DEBUGGERS = {"sys": ("breakpointhook",), "builtins": ("execfile", "runfile")}
_DEBUGGERS_VARIABLE = "PYDEVD_USE_FRAME_EVAL"
_TRACING = {"sys": ("settrace",), "threading": ("_trace_hook", "settrace")}
# What the debugger left there when it was imported and began to listen, which each happens once
# in the life of a process.
_after_debuggers_step: dict[str, object] = {}


@dataclass
class _Slot:
    """One place that holds one object."""

    name: str
    place: MutableMapping[str, Any]
    key: str
    before: object
    after: object = _MISSING

    @property
    def found(self) -> object:
        return self.place.get(self.key, _MISSING)

    @property
    def is_ours(self) -> bool:
        """Whether it holds what the start put there."""
        return _same(self.found, self.after)

    @property
    def is_touched(self) -> bool:
        return not _same(self.before, self.after)

    def put(self, value: object) -> None:
        if value is _MISSING:
            del self.place[self.key]
        else:
            self.place[self.key] = value

    def restore(self) -> str | None:
        if not self.is_touched or _same(self.found, self.before):
            return None
        if not self.is_ours:
            return f"{self.name} was changed by somebody else and is left as it is"
        self.put(self.before)
        return None


def _same(one: object, other: object) -> bool:
    # The environment makes new strings each time it is read.
    return one is other or (isinstance(one, str) and one == other)


class _Entries:
    """A list of the process to which the start adds."""

    def __init__(self, read: Callable[[], list[Any]]) -> None:
        self._read = read
        self._before = list(read())
        self._added: list[Any] = []

    def settle(self) -> None:
        self._added = [entry for entry in self._read() if entry not in self._before]

    def restore(self) -> None:
        for entry in self._added:
            if entry in self._read():
                self._read().remove(entry)


class _LastError:
    """What a debugger looks at after an error; it keeps all of a cell's names alive."""

    _names = ("last_exc", "last_type", "last_value", "last_traceback")

    def __init__(self) -> None:
        self._hosts: dict[str, Any] = {}
        self._cells: object = None

    @contextmanager
    def changes(self) -> Iterator[None]:
        """While inside, it becomes an error of the session's."""
        found = vars(sys)
        if self._cells is None or found.get("last_value") is not self._cells:
            self._hosts = {name: found[name] for name in self._names if name in found}
        try:
            yield
        finally:
            self._cells = found.get("last_value")

    def restore(self) -> None:
        cells, self._cells = self._cells, None
        if cells is None or vars(sys).get("last_value") is not cells:
            return
        for name in self._names:
            vars(sys).pop(name, None)
        vars(sys).update(self._hosts)


class Residue:
    """The ledger of one kernel. Made before anything is changed."""

    def __init__(self) -> None:
        self._slots = [
            *_attributes(_ATTRIBUTES),
            _slot('sys.modules["__main__"]', sys.modules, "__main__"),
        ]
        self._environment = dict(os.environ)
        self._lists = [_Entries(lambda: sys.path), _Entries(_warning_filters)]
        self.last_error = _LastError()
        self._settled = False

    def settle(self) -> None:
        """The start is over: what differs now is ours."""
        self._settled = True
        names = self._environment.keys() | os.environ.keys()
        self._slots += [_variable(name, self._environment.get(name)) for name in sorted(names)]
        for slot in self._slots:
            slot.after = slot.found
        self._slots = [slot for slot in self._slots if slot.is_touched]
        for entries in self._lists:
            entries.settle()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """A soft restart, while inside: what was ours and changes stays ours."""
        self.last_error.restore()
        ours = [slot for slot in self._slots if slot.is_ours]
        try:
            yield
        finally:
            for slot in ours:
                slot.after = slot.found

    @contextmanager
    def debugging(self) -> Iterator[None]:
        """While inside, the debugger is imported, in any thread.

        What that changes, only once in a process, is there for each kernel that debugs, and
        put back with the rest.
        """
        variable = _variable(_DEBUGGERS_VARIABLE, os.environ.get(_DEBUGGERS_VARIABLE))
        with self._once([*_attributes(_DEBUGGERS), variable]):
            yield

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """While inside, the debugger begins to trace; as :meth:`debugging`."""
        with self._once(list(_attributes(_TRACING))):
            yield

    @contextmanager
    def _once(self, slots: list[_Slot]) -> Iterator[None]:
        try:
            yield
        finally:
            for slot in slots:
                slot.after = _after_debuggers_step.setdefault(slot.name, slot.found)
                if not slot.is_ours:
                    slot.put(slot.after)
            self._slots += [slot for slot in slots if slot.is_touched]

    def restore(self) -> list[str]:
        """Put everything back; a sentence for each item that was not.

        All of it after a start that failed before it was over.
        """
        if not self._settled:
            self.settle()
        self.last_error.restore()
        for entries in self._lists:
            entries.restore()
        with warnings.catch_warnings():
            pass  # leaving it tells the interpreter that the filters have changed
        return [left for slot in self._slots if (left := slot.restore()) is not None]


def _attributes(names: Mapping[str, tuple[str, ...]]) -> Iterator[_Slot]:
    for module, attributes in names.items():
        place = vars(importlib.import_module(module))
        yield from (_slot(f"{module}.{name}", place, name) for name in attributes)


def _variable(name: str, before: str | None) -> _Slot:
    value = _MISSING if before is None else before
    return _Slot(f"os.environ[{name!r}]", os.environ, name, value)


def _slot(name: str, place: MutableMapping[str, Any], key: str) -> _Slot:
    return _Slot(name, place, key, place.get(key, _MISSING))


def _warning_filters() -> list[Any]:
    # Not bound once: leaving warnings.catch_warnings puts another list in its place.
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    return filters


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
