"""The IPython extension that drops references to Blender data that is gone.

A dead object raises when it is used. The parts inside an object, and data that belongs to a
window, do not raise: Blender reads freed memory and often crashes. So the names of such data
leave the cells' namespace before a load or an undo, and the names of dead objects after it. Data
that the user removes dies without notice, so the names are checked around each cell. References
that cells keep elsewhere, such as objects in a list, stay. Loaded inside Blender only, by each
fresh shell.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import bpy

from .handlers import Handlers
from .parts import Owners, is_dead, is_of_interest, is_part, of_interest, parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

__all__ = ["cell_begins", "cell_ended", "close", "is_of_blender", "load_ipython_extension"]

_RESULTS = ("_", "__", "___")
_SAME_MOMENT = 0.001  # seconds; IPython transforms a cell twice before it runs it
_FEW = 100  # items of a container that are looked at around each cell

_LOADED = "a file was loaded"
_REMEDY = "Fetch it anew from D (bpy.data) or C (bpy.context)."

_current: References | None = None


def load_ipython_extension(shell: Any) -> None:
    """Watch the names of ``shell``; called inside, on the main thread, by IPython."""
    global _current
    close()
    _current = References(shell)


def close() -> None:
    """Stop watching; called inside, on the main thread."""
    global _current
    if _current is not None:
        _current.close()
    _current = None


def cell_begins() -> None:
    """Begin a cell; called inside, on the main thread."""
    if _current is not None:
        _current.cell_begins()


def cell_ended() -> None:
    """End a cell; called inside, on the main thread."""
    if _current is not None:
        _current.cell_ended()


class References:
    """The watch over the cells' namespace of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names: dict[str, Any] = shell.user_ns
        self._data = bpy.data.as_pointer()
        self._cell: int | None = None
        self._last = ""
        self._looked_at = 0.0
        self._gone: dict[str, str] = {}
        self._may_hold = True  # any of Blender's data, as of the last check
        self._owners = Owners()
        self._handlers = Handlers()
        for moment, function in {
            "load_pre": lambda: self._before(_LOADED, windows=True),
            "load_post": self._after_load,
            "undo_pre": lambda: self._before("a step was undone"),
            "undo_post": self._after,
            "redo_pre": lambda: self._before("a step was redone"),
            "redo_post": self._after,
        }.items():
            self._handlers.add(moment, function)
        shell.set_custom_exc((ReferenceError, NameError), _explain)
        # Before a one-line cell begins, IPython inspects the value of its first name. In older
        # Blenders a dead object raises even then, and the name could not be used again.
        shell.input_transformers_post.append(self._before_cell)
        _show_dead_objects(shell.display_formatter)

    def close(self) -> None:
        """Remove the handlers from Blender and the transformer from the shell."""
        self._handlers.close()
        if self._before_cell in self._shell.input_transformers_post:
            self._shell.input_transformers_post.remove(self._before_cell)

    def _before_cell(self, lines: list[str]) -> list[str]:
        if self._may_hold and monotonic() - self._looked_at > _SAME_MOMENT:
            self._drop_removed()
            self._looked_at = monotonic()
        return lines

    def cell_begins(self) -> None:
        """Attribute what happens from now on to the current cell."""
        self._cell = self._shell.execution_count

    def cell_ended(self) -> None:
        """Drop removed data, and attribute what happens from now on to the user."""
        if self._data != bpy.data.as_pointer():
            # The cell removed the kernel's handlers, kept them, and then loaded a file.
            self._after_load()
        self._drop_removed()
        self._looked_at = 0.0
        self._cell = None

    # Events
    def _before(self, what: str, *, windows: bool = False) -> None:
        self._last = f"{what}{self._where()}"
        with self._look():
            self._drop(lambda value: self._is_unsafe(value, windows), self._last)

    def _is_unsafe(self, value: object, windows: bool) -> bool:
        """Whether using ``value``, or what it holds, will read memory that is about to be freed."""
        found = (part for part in parts(value) if is_part(part))
        return any(windows or not self._owners.is_windows(part) for part in found)

    def _where(self) -> str:
        return "" if self._cell is None else f" in cell [{self._cell}]"

    def _after_load(self) -> None:
        self._before(_LOADED, windows=True)  # Blender may not have called the load_pre handler.
        name = Path(bpy.data.filepath).name
        if name:
            before, self._last = self._last, self._last.replace("a file", name)
            for dropped in [key for key, why in self._gone.items() if why == before]:
                self._gone[dropped] = self._last
        self._after()

    def _after(self) -> None:
        self._data = bpy.data.as_pointer()
        self._drop(is_dead, self._last)

    def _drop_removed(self) -> None:
        self._may_hold = self._holds_anything()
        if not self._may_hold:
            self._owners.forget()
            return
        with self._look():
            self._drop(self._is_removed, f"its data was removed{self._where()}")

    def _holds_anything(self) -> bool:
        results = (getattr(self._shell.displayhook, name, None) for name in _RESULTS)
        return bool(self._candidates() or self._outputs()) or any(map(is_of_interest, results))

    def _outputs(self) -> list[tuple[int, Any]]:
        return of_interest(self._names.get("Out", {}))

    def _candidates(self) -> list[tuple[str, Any]]:
        own = self._shell.user_ns_hidden  # the shell's, such as In; they would slow each cell
        return [
            (name, value)
            for name, value in of_interest(self._names)
            if value is not own.get(name) and value is not self._names
        ]

    def _look(self) -> AbstractContextManager[None]:
        held = chain(self._candidates(), self._outputs())
        return self._owners.look(value for _, value in held)

    def _is_removed(self, value: object) -> bool:
        if is_dead(value):
            return True
        held = parts(value, first=_FEW)
        return not all(self._owners.lives(part) for part in held if is_part(part))

    def _drop(self, is_lost: Callable[[Any], bool], why: str) -> None:
        self._drop_results(is_lost)
        for name, value in self._candidates():
            if is_lost(value):
                del self._names[name]
                self._gone[name] = why

    def _drop_results(self, is_lost: Callable[[Any], bool]) -> None:
        hook = self._shell.displayhook
        for name in _RESULTS:
            if is_lost(getattr(hook, name, None)):
                setattr(hook, name, "")
                self._names[name] = ""
        outputs = self._names.get("Out", {})
        for number in [key for key, value in outputs.items() if is_lost(value)]:
            del outputs[number]

    # Messages
    def explain(self, error: BaseException) -> None:
        """Add a note to ``error`` on why an object is dead, or why a name was dropped if it was."""
        if not isinstance(error, NameError):
            happened = f"{self._last}, or because it" if self._last else "it"
            error.add_note(f"It is dead because {happened} was removed. {_REMEDY}")
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


def _show_dead_objects(formatter: Any) -> None:
    """Show a dead object by its repr() only.

    Upstream: each of eleven formatters asks the object for its class, which raises in older
    Blenders.
    """
    upstream = formatter.format

    def show(
        value: object, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if is_dead(value):
            return {"text/plain": repr(value)}, {}
        return cast("tuple[dict[str, Any], dict[str, Any]]", upstream(value, include, exclude))

    formatter.format = show


def is_of_blender(value: object) -> bool:
    """Whether ``value`` is, or holds, data that a load or an undo may free."""
    return any(True for _ in parts(value))
