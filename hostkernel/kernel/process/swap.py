"""Process-wide names that belong to the session while one of its steps runs.

A cell may replace ``sys.stdout``, ``input`` or an attribute of ``__main__``, and expects the
replacement in its next step and in the next cell. The host expects its own objects at all other
times, also while a cell awaits. So each step swaps the session's objects and the host's.

Rejected: putting the session's objects in place at start and forwarding. The host's code then
sees objects that are not its own, and a cell that closes or replaces one breaks the host.
"""

from __future__ import annotations

import builtins
import getpass
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SessionNames"]

_MISSING: Any = object()
_HOSTS: Any = object()  # the session has no object of its own under this name

_PLACES: dict[str, dict[str, Any]] = {
    "sys": vars(sys),
    "sys.modules": sys.modules,
    "builtins": vars(builtins),
    "getpass": vars(getpass),
}
_NAMES = (
    ("sys", "stdin"),
    ("sys", "stdout"),
    ("sys", "stderr"),
    ("sys", "displayhook"),
    ("sys", "excepthook"),
    ("sys", "ps1"),
    ("sys", "ps2"),
    ("sys.modules", "__main__"),
    ("builtins", "input"),
    ("builtins", "get_ipython"),
    ("getpass", "getpass"),
)


class _Name:
    """One name, with the session's object and the host's object for it."""

    __slots__ = ("default", "host", "kept", "key", "place")

    def __init__(self, place: dict[str, Any], key: str) -> None:
        self.place = place
        self.key = key
        self.default = _HOSTS
        self.kept = _HOSTS
        self.host = _MISSING

    def enter(self) -> None:
        self.host = self.place.get(self.key, _MISSING)
        if self.kept is not _HOSTS and self.kept is not self.host:
            self._put(self.kept)

    def leave(self) -> None:
        found = self.place.get(self.key, _MISSING)
        if found is self.default:
            self.kept = found
        else:
            self.kept = _HOSTS if found is self.host else found
        if found is not self.host:
            self._put(self.host)

    def _put(self, value: Any) -> None:
        if value is _MISSING:
            self.place.pop(self.key, None)
        else:
            self.place[self.key] = value


class SessionNames:
    """Swaps the names around each step of the session. Made and used on the kernel's thread.

    Attributes:
        inside: whether a step of the session runs.
    """

    def __init__(self) -> None:
        self.inside = False
        self._thread = threading.get_ident()
        self._names = {f"{place}.{key}": _Name(_PLACES[place], key) for place, key in _NAMES}

    def offer(self, name: str, value: object) -> None:
        """Let a fresh session find ``value`` under ``name``, such as ``"sys.stdout"``."""
        self._names[name].default = self._names[name].kept = value

    def reset(self, *names: str) -> None:
        """Forget what cells have put under ``names``, by default under all names."""
        for name in names or self._names:
            self._names[name].kept = self._names[name].default

    def forget(self) -> None:
        """Drop the session's objects, which a reference to this object would keep alive."""
        for name in self._names.values():
            name.default = name.kept = _HOSTS

    def of_host(self, name: str) -> Any:
        """The host's object under ``name``, None if it has none. Any thread."""
        own = self._names[name]
        found = own.host if self.inside else own.place.get(own.key, _MISSING)
        return None if found is _MISSING else found

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the session's objects in place for a step of the session.

        Does nothing inside another step, or on another thread.
        """
        if self.inside or threading.get_ident() != self._thread:
            yield
            return
        for name in self._names.values():
            name.enter()
        self.inside = True
        try:
            yield
        finally:
            self.inside = False
            for name in self._names.values():
                name.leave()
