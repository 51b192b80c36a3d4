"""Running a script as Python would, for :meth:`Host.main`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hostkernel.errors import ScriptNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_script", "script_path"]


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

    The script is ``__main__``, and stays it when it has ended; ``args`` become ``sys.argv``,
    and its folder comes first on ``sys.path``. What it raises, SystemExit too, comes out.

    Args:
        args: the script's file and its own arguments.
        before: called when all that is in place, before the script's first line. A kernel
            that runs beside the script starts here, so that it finds the right ``__main__``.

    Raises:
        ScriptNotFoundError: there is no such file.

    Example::

        def main(self, kernel, args):
            run_script(args)
            kernel.serve()
    """
    path = script_path(args)
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    main = ModuleType("__main__")
    main.__file__ = str(path)
    sys.argv = list(args)
    if not sys.flags.safe_path:
        sys.path.insert(0, str(path.parent))
    sys.modules["__main__"] = main
    before()
    exec(code, main.__dict__)
