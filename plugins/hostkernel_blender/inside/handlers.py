"""Functions that Blender calls at loads, undo steps and changes. Imported inside Blender only."""

from __future__ import annotations

import sys
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Handlers", "restore"]

_MOST_RETURNS = 100
_KEPT_BY_LIST_ALONE = 3  # references: the list's, the local variable and the argument

_guards: dict[str, _Guard] = {}


class Handlers:
    """Handlers that survive a file load and a cleared list, until :meth:`close`.

    Used on the main thread.
    """

    def __init__(self) -> None:
        self._added: list[tuple[_Guard, Callable[[], object]]] = []

    def add(self, moment: str, function: Callable[[], object]) -> None:
        """Have ``function`` called at a ``moment`` of ``bpy.app.handlers``."""
        guard = _guards.get(moment) or _guards.setdefault(moment, _Guard(moment))
        guard.add(function)
        self._added.append((guard, function))

    def close(self) -> None:
        """Remove all of these handlers."""
        for guard, function in self._added:
            guard.remove(function)
        self._added = []


def restore() -> None:
    """Put missing entries back into Blender's lists; called on the main thread."""
    for guard in _guards.values():
        guard.restore()


class _Guard:
    """A pair of entries in a list of ``bpy.app.handlers``; one calls any number of functions.

    Scripts clear these lists, often to remove their own handlers from an earlier run, and may
    load a file in the next line. Only the list references the two entries, so removal frees them,
    and the callback of a weak reference inserts new ones at once. CPython has finished changing
    the list by then: ``clear``, ``pop``, ``remove`` and slice assignment all release the items
    last. There are two because the variable of a loop that removes entries keeps the last one.

    The new entries go to the other end of the list each time. A loop that pops ``len(handlers)``
    times from one end would otherwise meet only these entries and leave the script's own. A loop
    that runs until the list is empty must end, so the insertions are counted: Blender's next call
    and :meth:`restore` reset the count.

    The guard does not notice the removal of entries while other code references both, such as
    code that saves a list to put it back later. :meth:`restore` repairs that between cells.

    Rejected: trusting an entry until the next cell (Blender crashes in the current one),
    sys.setprofile (profilers need it) and replacing ``bpy.ops`` functions (every script sees
    them).

    Args:
        moment: the name of the list.
    """

    def __init__(self, moment: str) -> None:
        self._list: list[Any] = getattr(bpy.app.handlers, moment)
        self._functions: list[Callable[[], object]] = []
        self._entries: list[weakref.ref[Any]] = []
        self._mark: object = None
        self._at_end = True
        self._returns = 0

    def add(self, function: Callable[[], object]) -> None:
        """Call ``function`` from now on."""
        self._functions.append(function)
        self.restore()

    def remove(self, function: Callable[[], object]) -> None:
        """Stop calling ``function``; remove the entries if it was the last function."""
        if function in self._functions:
            self._functions.remove(function)
        if not self._functions:
            self._withdraw()

    def restore(self) -> None:
        """Put the entries back if one is missing, or if other code references one."""
        self._returns = 0
        if self._functions and not self._is_intact():
            self._at_end = True
            self._put()

    def _is_intact(self) -> bool:
        return bool(self._entries) and all(map(self._is_in_place, self._entries))

    def _is_in_place(self, each: weakref.ref[Any]) -> bool:
        entry = each()
        return entry in self._list and sys.getrefcount(entry) == _KEPT_BY_LIST_ALONE

    def _put(self) -> None:
        self._withdraw()
        self._at_end = not self._at_end
        self._mark = object()
        entries = [_entry(self._call, self._mark), _entry(_nothing, None)]
        self._entries = [weakref.ref(entry, self._removed) for entry in entries]
        place = len(self._list) if self._at_end else 0
        self._list[place:place] = entries

    def _withdraw(self) -> None:
        entries, self._entries = self._entries, []
        for each in entries:
            entry = each()
            if entry in self._list:
                self._list.remove(entry)

    def _removed(self, entry: weakref.ref[Any]) -> None:
        wanted = self._functions and entry in self._entries and self._returns < _MOST_RETURNS
        if wanted and not sys.is_finalizing():
            self._returns += 1
            self._put()

    def _call(self, mark: object) -> None:
        if mark is not self._mark:
            return  # Other code had kept this entry and put it back.
        self._returns = 0
        with ExitStack() as stack:  # It calls all functions, even if one raises.
            for function in reversed(self._functions):
                stack.callback(function)


def _entry(call: Callable[[object], object], mark: object) -> Any:
    # Blender accepts this mark on plain functions only.
    @bpy.app.handlers.persistent  # type: ignore[untyped-decorator]
    def hostkernel_handler(*_: object) -> None:
        call(mark)

    return hostkernel_handler


def _nothing(_: object) -> None:
    pass
