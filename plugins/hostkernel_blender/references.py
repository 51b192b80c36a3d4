"""The IPython extension that deals with references which a file load or an undo has killed.

A dead object says so when it is used. What lies inside an object, and what belongs to a
window, does not: Blender reads freed memory, and often dies of it. So such names leave the
cells' namespace before it happens, and dead objects after it. What cells keep elsewhere, such
as objects in a list, stays. Loaded inside Blender only, by each fresh shell.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import bpy

from .handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["cell_begins", "cell_ended", "close", "is_of_blender", "load_ipython_extension"]

_STAYS = (bpy.types.Context, bpy.types.BlendData, bpy.types.Preferences)
_OF_WINDOWS = (bpy.types.WindowManager, bpy.types.Screen, bpy.types.WorkSpace)
_PARTS = (bpy.types.bpy_struct, bpy.types.bpy_prop_collection, bpy.types.bpy_prop_array)
_RESULTS = ("_", "__", "___")

_REMEDY = "Fetch it anew from D (bpy.data) or C (bpy.context)."

_current: References | None = None


def load_ipython_extension(shell: Any) -> None:
    """Called inside, on the main thread, by IPython."""
    global _current
    close()
    _current = References(shell)


def close() -> None:
    """Called inside, on the main thread: watch no longer."""
    global _current
    if _current is not None:
        _current.close()
    _current = None


def cell_begins() -> None:
    """Called inside, on the main thread, before a cell."""
    if _current is not None:
        _current.cell_begins()


def cell_ended() -> None:
    """Called inside, on the main thread, after a cell."""
    if _current is not None:
        _current.cell_ended()


class References:
    """Watches the cells' namespace of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names: dict[str, Any] = shell.user_ns
        self._cell: int | None = None
        self._last = ""
        self._gone: dict[str, str] = {}
        self._handlers = Handlers()
        for moment, function in {
            "load_pre": lambda: self._before("a file was loaded", windows=True),
            "load_post": self._after_load,
            "undo_pre": lambda: self._before("a step was undone"),
            "undo_post": self._after,
            "redo_pre": lambda: self._before("a step was redone"),
            "redo_post": self._after,
        }.items():
            self._handlers.add(moment, function)
        shell.set_custom_exc((ReferenceError, NameError), _explain)

    def close(self) -> None:
        """Take the handlers back."""
        self._handlers.close()

    def cell_begins(self) -> None:
        """What happens from here on happens in a cell."""
        self._cell = self._shell.execution_count

    def cell_ended(self) -> None:
        """What happens from here on is the user's doing."""
        self._cell = None

    # What happens

    def _before(self, what: str, *, windows: bool = False) -> None:
        where = "" if self._cell is None else f" in cell [{self._cell}]"
        self._last = f"{what}{where}"
        self._drop(lambda value: _is_unsafe(value, windows))

    def _after_load(self) -> None:
        name = Path(bpy.data.filepath).name
        if name:
            self._last = self._last.replace("a file", name)
        self._after()

    def _after(self) -> None:
        # IPython asks what a name at the start of a line is, and in older Blenders a dead
        # object raises even then: the name could not be used again.
        self._drop(_is_dead)

    def _drop(self, is_lost: Callable[[Any], bool]) -> None:
        self._drop_results(is_lost)
        for name in [name for name, value in self._names.items() if is_lost(value)]:
            del self._names[name]
            self._gone[name] = self._last

    def _drop_results(self, is_lost: Callable[[Any], bool]) -> None:
        hook = self._shell.displayhook
        for name in _RESULTS:
            if is_lost(getattr(hook, name, None)):
                setattr(hook, name, "")
                self._names[name] = ""
        outputs = self._names.get("Out", {})
        for number in [key for key, value in outputs.items() if is_lost(value)]:
            del outputs[number]

    # What is said

    def explain(self, error: BaseException) -> None:
        """Say in a note what happened, if something did."""
        if not isinstance(error, NameError):
            happened = f"It is dead because {self._last}. " if self._last else ""
            error.add_note(f"{happened}{_REMEDY}")
        elif error.name in self._gone and error.name not in self._names:
            error.add_note(f"{error.name} was dropped, because {self._gone[error.name]}. {_REMEDY}")


def _explain(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType,
    tb_offset: int | None = None,
) -> None:
    if _current is not None:
        _current.explain(error)
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset, running_compiled_code=True)


def is_of_blender(value: object) -> bool:
    """Whether ``value`` is, or holds in a plain container, what a load or an undo may kill."""
    return _holds(value, lambda item: _is_a(item, *_PARTS) and not _is_a(item, *_STAYS))


def _is_unsafe(value: object, windows: bool) -> bool:
    """Whether using ``value``, or what it holds, will read memory that is about to be freed."""
    return _holds(value, lambda item: _is_part(item, windows))


def _holds(value: object, is_one: Callable[[Any], bool]) -> bool:
    if _is_a(value, dict):
        return any(is_one(item) for item in cast("dict[Any, Any]", value).values())
    if _is_a(value, list, tuple, set):
        return any(is_one(item) for item in cast("list[Any]", value))
    return is_one(value)


def _is_part(value: Any, windows: bool) -> bool:
    if not _is_a(value, *_PARTS) or _is_a(value, bpy.types.ID, *_STAYS):
        return False
    return windows or not _is_a(value.id_data, *_OF_WINDOWS)


def _is_dead(value: Any) -> bool:
    if not _is_a(value, bpy.types.ID):
        return False
    try:
        value.name  # noqa: B018
    except ReferenceError:
        return True
    return False


def _is_a(value: object, *types: type) -> bool:
    # isinstance() asks the object, and a dead one raises.
    return issubclass(type(value), types)
