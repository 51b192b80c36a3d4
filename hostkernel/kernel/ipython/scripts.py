"""A script that a client sends: it runs by Python's own rules, in the cells' namespace.

An execute_request whose metadata holds ``{"hostkernel": {"argv": [...], "file": ...,
"folder": ...}}`` runs as ``python FILE ARGS`` would run it: its arguments are ``sys.argv``, its
folder comes first on ``sys.path``, an error is shown as Python shows it, and ``sys.exit`` ends
it. Without ``file`` the code is a cell that has arguments and an exit status.
"""

from __future__ import annotations

import ast
import linecache
import sys
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from .frames import hide_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping
    from types import CodeType

__all__ = ["Script", "as_python_shows", "exit_status"]

_NOTHING = "pass\n"  # what IPython compiles where the script is compiled here


class Script:
    """One run of a script, on the kernel's thread.

    Args:
        argv: the script's ``sys.argv``.
        file: the script's absolute path, or a name such as ``<stdin>``; None for a cell.
        folder: first on ``sys.path`` while the script runs, None for no folder.
    """

    def __init__(self, argv: list[str], file: str | None, folder: str | None) -> None:
        self.file = file
        self._folder = folder
        self._argv: Any = argv
        self._code: CodeType | None = None
        self._compile: Callable[[], CodeType] | None = None

    @classmethod
    def asked_for(cls, request: Mapping[str, Any]) -> Script | None:
        """The script that an execute_request asks for, None if it asks for a cell."""
        match request.get("metadata"):
            case {"hostkernel": {"argv": [*argv], **more}} if all(map(_is_text, argv)):
                file, folder = more.get("file"), more.get("folder")
                return cls(argv, _text_or_none(file), _text_or_none(folder))
        return None

    @property
    def is_python(self) -> bool:
        """Whether the script runs, and fails, as a file in Python; else as a cell in IPython."""
        return self._compile is not None

    def prepare(self, source: str, transformed: str | None) -> dict[str, Any]:
        """Choose how to run ``source``; return arguments for IPython's ``run_cell_async``.

        A file that is not valid Python runs as a cell if IPython's syntax makes it valid: magics,
        ``!command``, top-level ``await``.
        """
        if self.file is None:
            return {}
        file = self.file
        # No modification time: the file may be on another machine, or change while it runs.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            self._code = _compiled(source, file)
        except SyntaxError:
            if transformed is not None and _is_a_cell(transformed):
                return {}
        except (ValueError, OverflowError, MemoryError, RecursionError):
            pass  # Raised again, and shown, when the script runs.
        self._compile = lambda: self._code or _compiled(source, file)
        return {"transformed_cell": _NOTHING, "preprocessing_exc_tuple": None}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Set the script's ``sys.argv`` and ``sys.path`` for a step, then restore the host's."""
        before, sys.argv = getattr(sys, "argv", None), self._argv
        if self._folder is not None and not sys.flags.safe_path:
            sys.path.insert(0, self._folder)
        try:
            yield
        finally:
            self._argv, sys.argv = getattr(sys, "argv", self._argv), before  # type: ignore[assignment]
            with suppress(ValueError):
                if self._folder is not None and not sys.flags.safe_path:
                    sys.path.remove(self._folder)

    async def run(
        self,
        cell: CodeType,
        global_names: dict[str, Any],
        names: MutableMapping[str, Any],
        *,
        is_async: bool,
    ) -> None:
        """Run the script, or ``cell`` if it runs as a cell; let all that it raises propagate."""
        if self._compile is not None:
            with self._own_names(global_names):
                exec(self._compile(), global_names)
        elif is_async:
            await eval(cell, global_names, names)
        else:
            exec(cell, global_names, names)

    @contextmanager
    def _own_names(self, names: dict[str, Any]) -> Iterator[None]:
        own: dict[str, Any] = {"__doc__": None, "exit": _leave, "quit": _leave}
        if self._folder is not None:
            own["__file__"] = self.file
        before = {name: names[name] for name in own if name in names}
        names.update(own)
        try:
            yield
        finally:
            for name, value in own.items():
                if name == "__doc__" or names.get(name) is value:
                    del names[name]
                    names.update({name: before[name]} if name in before else {})


def exit_status(end: SystemExit) -> int:
    """Return the exit status that Python would end with; print an exit message to stderr."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    with suppress(Exception):
        sys.stderr.write(str(end.code) + "\n")
    return 1


def as_python_shows(error: BaseException) -> list[str]:
    """The lines that Python prints for an uncaught error, without this package's frames."""
    hide_ours(error)
    return "".join(traceback.format_exception(error)).splitlines()


def _compiled(source: str, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _is_a_cell(transformed: str) -> bool:
    try:
        compile(transformed, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _leave(code: object = None) -> NoReturn:
    # exit() in a cell asks the kernel to end; exit() in a script ends the script.
    raise SystemExit(code)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
