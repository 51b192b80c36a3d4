"""What starting a kernel changes in the process, and how it is put back.

Each item is recorded before and after the start. A stop puts the host's own object back, but
only if the item still holds what the start left there. A later change by somebody else stays,
and is reported instead.
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

from hostkernel.processes import current_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

__all__ = ["AtexitRecord", "Residue", "restore_environment"]

_MISSING = object()

# ipykernel imports these modules in any case.
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
# What the debugger left in each slot when it was imported and began to listen; each happens only
# once in a process.
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
        """Whether the place still holds what the start put there."""
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
    """A process-wide list to which the start adds entries."""

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
    """``sys.last_exc`` and the like, for debuggers; they keep all of a cell's names alive."""

    _names = ("last_exc", "last_type", "last_value", "last_traceback")

    def __init__(self) -> None:
        self._hosts: dict[str, Any] = {}
        self._cells: object = None

    @contextmanager
    def changes(self) -> Iterator[None]:
        """Save the host's last error, which code inside replaces by an error of the session."""
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
    """The ledger of one kernel, made before anything is changed."""

    def __init__(self) -> None:
        self._slots = [
            *_attributes(_ATTRIBUTES),
            _slot('sys.modules["__main__"]', sys.modules, "__main__"),
        ]
        self._environment = current_environment()
        self._lists = [_Entries(lambda: sys.path), _Entries(_warning_filters)]
        self.last_error = _LastError()
        self._settled = False

    def settle(self) -> None:
        """Record, at the end of the start, what differs now: that is the kernel's."""
        self._settled = True
        names = {*self._environment, *os.environ}
        self._slots += [_variable(name, self._environment.get(name)) for name in sorted(names)]
        for slot in self._slots:
            slot.after = slot.found
        self._slots = [slot for slot in self._slots if slot.is_touched]
        for entries in self._lists:
            entries.settle()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Let a soft restart inside change the kernel's items; they stay the kernel's."""
        self.last_error.restore()
        ours = [slot for slot in self._slots if slot.is_ours]
        try:
            yield
        finally:
            for slot in ours:
                slot.after = slot.found

    @contextmanager
    def debugging(self) -> Iterator[None]:
        """Record what the import of the debugger inside changes. Any thread.

        The import changes the process only once. Each later kernel that debugs gets the same
        changes, and they are put back with the rest.
        """
        variable = _variable(_DEBUGGERS_VARIABLE, os.environ.get(_DEBUGGERS_VARIABLE))
        with self._once([*_attributes(_DEBUGGERS), variable]):
            yield

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Record, as :meth:`debugging`, what changes when the debugger begins to trace inside."""
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
        """Put everything back; return a sentence for each item that was left as it is.

        After a start that failed, this is everything that has changed since.
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
    # Read each time: leaving warnings.catch_warnings replaces the list.
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    return filters


class AtexitRecord:
    """What one thread registers with :mod:`atexit` while recording, to unregister it."""

    def __init__(self) -> None:
        self._registered: list[Callable[..., object]] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what the caller's thread registers inside; other threads register as usual."""
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
        """Unregister what was recorded."""
        for function in self._registered:
            atexit.unregister(function)
        self._registered.clear()


def restore_environment(saved: Mapping[str, str | None]) -> None:
    """Give environment variables their values back; None means that one was not set."""
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
