"""Run a script as Python would, for :meth:`Host.main`."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hostkernel.errors import HostkernelError, ScriptNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, TracebackType

__all__ = ["ScriptEnd", "run_script", "script_path"]

_INTERRUPTED = 130  # a shell's status for a command that Ctrl-C ended


def script_path(args: Sequence[str]) -> Path:
    """Called on both sides, on any thread: the script that ``args`` name.

    Args:
        args: the script's file, relative to the working directory, and its own arguments.

    Raises:
        ScriptNotFoundError: there is no such file.
    """
    path = Path(args[0]).absolute()
    if not path.is_file():
        raise ScriptNotFoundError(args[0], Path.cwd())
    return path


def run_script(args: Sequence[str], *, before: Callable[[], object] = lambda: None) -> None:
    """Called inside, on the main thread, from :meth:`Host.main`: run a script as Python would.

    The script becomes ``__main__``, and stays it after its end; ``args`` become ``sys.argv``, and
    the script's folder comes first on ``sys.path``. What the script raises, SystemExit too,
    propagates.

    Args:
        args: the script's file and its own arguments.
        before: called when all this is in place, before the script's first line. A kernel
            that runs beside the script starts here, so that it finds the right ``__main__``.

    Raises:
        ScriptNotFoundError: there is no such file.

    Example::

        def main(self, kernel, args):
            run_script(args)
            kernel.serve()
    """
    path = script_path(args)
    code = _compile(path)
    main = ModuleType("__main__")
    main.__file__ = str(path)
    sys.argv = list(args)
    if not sys.flags.safe_path:
        # Python, too, resolves symbolic links to find the folder for modules.
        sys.path.insert(0, str(path.resolve().parent))
    sys.modules["__main__"] = main
    before()
    _execute(code, main.__dict__)


def _compile(path: Path) -> CodeType:
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def _execute(code: CodeType, namespace: dict[str, Any]) -> None:
    exec(code, namespace)


@dataclass(frozen=True)
class ScriptEnd:
    """The end of a script by an exception, as Python would report it.

    Attributes:
        error: what :func:`run_script` raised.
        frames: its traceback from the script's own first frame on.
    """

    error: BaseException
    frames: TracebackType | None

    @classmethod
    def of(cls, error: BaseException) -> ScriptEnd | None:
        """The script's end by ``error``; None if it came from elsewhere or is hostkernel's own."""
        if isinstance(error, HostkernelError):
            return None
        frames = error.__traceback__
        while frames is not None:
            if frames.tb_frame.f_code in {_compile.__code__, _execute.__code__}:
                return cls(error, frames.tb_next)
            frames = frames.tb_next
        return None

    @property
    def status(self) -> int:
        """The exit status."""
        if isinstance(self.error, KeyboardInterrupt):
            return _INTERRUPTED
        code = self.error.code if isinstance(self.error, SystemExit) else 1
        return (code or 0) & 0xFF if code is None or isinstance(code, int) else 1

    @property
    def text(self) -> str:
        """What Python prints; empty if the script exited with a number, or by Ctrl-C."""
        if isinstance(self.error, KeyboardInterrupt):
            return ""
        if isinstance(self.error, SystemExit):
            code = self.error.code
            return "" if code is None or isinstance(code, int) else f"{code!s}\n"
        return "".join(traceback.format_exception(type(self.error), self.error, self.frames))

    def show(self) -> None:
        """Print the end to stderr; pass an error to ``sys.excepthook``, maybe the script's own."""
        for stream in (sys.stdout, sys.stderr):  # as Python does once a script has ended
            with suppress(Exception):
                stream.flush()
        if isinstance(self.error, (KeyboardInterrupt, SystemExit)):
            sys.stderr.write(self.text)
        else:
            # Python's own hook reads the traceback from the error.
            error = self.error.with_traceback(self.frames)
            sys.excepthook(type(error), error, self.frames)
