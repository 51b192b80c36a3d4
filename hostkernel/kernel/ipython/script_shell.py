"""The shell's side of scripts: which cell is a script, how it runs, how its end is reported."""

from __future__ import annotations

from bdb import BdbQuit
from typing import TYPE_CHECKING, Any

from ipykernel.zmqshell import ZMQInteractiveShell

from .scripts import as_python_shows, exit_status

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import CodeType

    from IPython.core.interactiveshell import ExecutionResult

    from .scripts import Script

__all__ = ["ScriptShell"]


class ScriptShell(ZMQInteractiveShell):
    """A shell whose next cell may be a script."""

    asked_script: Script | None = None
    """The script to run as the next cell, which takes it."""
    _script: Script | None = None  # the script whose code runs next
    # Upstream: missing until the first error has been shown, which an interrupt may prevent.
    _last_traceback: list[str] | None = None
    _shown: tuple[BaseException | None, list[str]] = (None, [])  # last in the running cell

    def should_run_async(self, raw_cell: str, **kwargs: Any) -> bool:
        """Return True for a script file, which is compiled once, under its own name.

        Upstream: compiles the cell to find out.
        """
        if self.asked_script is not None and self.asked_script.file is not None:
            return True
        return bool(super().should_run_async(raw_cell, **kwargs))

    def run_asked(
        self, raw_cell: str, *args: Any, **kwargs: Any
    ) -> tuple[Script | None, Coroutine[Any, Any, ExecutionResult]]:
        """Take the script that was asked for; return it, and the coroutine that runs the cell."""
        script, self.asked_script = self.asked_script, None
        return script, self._run_prepared(script, raw_cell, *args, **kwargs)

    async def _run_prepared(
        self, script: Script | None, raw_cell: str, *args: Any, **kwargs: Any
    ) -> Any:
        if script is not None:
            kwargs.update(script.prepare(raw_cell, kwargs.get("transformed_cell")))
        self._script = script
        try:
            # Upstream's, not HostShell's override, which is what calls this method.
            return await super().run_cell_async(raw_cell, *args, **kwargs)
        finally:
            self._script = None

    async def run_code(
        self, code_obj: CodeType, result: ExecutionResult | None = None, *, async_: bool = False
    ) -> bool:
        """Run code of a cell, or the script; return whether it failed.

        Upstream: reports SystemExit as an error, and shows each error as a cell's.
        """
        script, self._script = self._script, None  # Code it runs through the shell is a cell's.
        if script is None:
            return bool(await super().run_code(code_obj, result, async_=async_))
        try:
            await script.run(code_obj, self.user_global_ns, self.user_ns, is_async=async_)
        except BaseException as error:
            return self._script_ended(script, error, result)
        finally:
            self._script = script
        return False

    def _script_ended(
        self, script: Script, error: BaseException, result: ExecutionResult | None
    ) -> bool:
        if isinstance(error, SystemExit):
            if not (status := exit_status(error)):
                return True  # without an error: the rest of the code is not run
            error = SystemExit(status)
            self._last_traceback, self._shown = [], (error, [])
        elif script.is_python:
            self._showtraceback(type(error), error, as_python_shows(error))
        elif not isinstance(error, BdbQuit):
            self.showtraceback(running_compiled_code=True)
        if result is not None:
            result.error_in_exec = error
        return True
