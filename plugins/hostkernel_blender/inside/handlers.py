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
_KEPT_BY_LIST_ALONE = 3  # with the local variable and the argument

_guards: dict[str, _Guard] = {}


class Handlers:
    """Handlers that outlive a file load, and a cleared list, until :meth:`close`.

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
        """Take all of them back."""
        for guard, function in self._added:
            guard.remove(function)
        self._added = []


def restore() -> None:
    """Called on the main thread: put back what is missing from Blender's lists."""
    for guard in _guards.values():
        guard.restore()


class _Guard:
    """Our two entries in a list of ``bpy.app.handlers``; one calls any number of functions.

    Scripts clear these lists, often to be rid of their own handlers from an earlier run, and may
    load a file in the next line. The list alone keeps our entries, so removal frees them, and the
    callback of a weak reference puts new ones in at once. CPython has finished changing the list
    by then: ``clear``, ``pop``, ``remove`` and slice assignment all release the items last. There
    are two because the variable of a loop that removes entries keeps the last one.

    The new entries go to the other end of the list each time. A loop that pops ``len(handlers)``
    times from one end would otherwise meet only ours and leave the script's own. A loop that
    runs until the list is empty must end, so the returns are counted: Blender's next call and
    :meth:`restore` begin a new count.

    Not noticed are entries that are taken out while somebody keeps both, as code does that saves
    a list to put it back later. :meth:`restore` mends that between cells.

    Rejected: trusting an entry until the next cell (Blender dies in this one), sys.setprofile
    (profilers need it) and replacing ``bpy.ops`` functions (every script sees them).

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
        """Call it no more; without a function there are no entries."""
        if function in self._functions:
            self._functions.remove(function)
        if not self._functions:
            self._withdraw()

    def restore(self) -> None:
        """Put the entries back if one is missing, or if somebody keeps one."""
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
            return  # Somebody had kept this entry and put it back.
        self._returns = 0
        with ExitStack() as stack:  # It calls all of them, whatever one raises.
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
