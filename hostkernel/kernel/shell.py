"""ipykernel's shell with every step overridden that would harm a host.

Each override says what the original does; a test compares the originals with what was read
when this was written, so that an upgrade that changes them is noticed.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult
from traitlets import Type, observe

from .history import HostHistory
from .interrupt import without_ours
from .pursuit import boundary
from .residue import restore_environment
from .steps import Stepped
from .tasks import in_a_cell

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from .interpreter import Interpreter
    from .owner import Owner

__all__ = ["HostDisplayHook", "HostDisplayPublisher", "HostShell"]

# Pagers wait for a keyboard that a cell does not have, and colours need a terminal's name.
_COMMAND_ENVIRONMENT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
}


Error = TypeVar("Error", bound=BaseException | None)


def _is_text(code: str) -> bool:
    try:
        code.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _with_text(error: Error) -> Error | Exception:
    """``error``, or one of the same name if it cannot be shown as text.

    Such as what ``%%bash`` raises for a script whose exit status nobody knows yet.
    """
    try:
        str(error)
    except Exception:
        kind: type[Exception] = type(type(error).__name__, (Exception,), {})
        return kind("<exception str() failed>")
    return error


class HostDisplayHook(ZMQShellDisplayHook):
    """Publishes results."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        """Original; and the host's console shows it, if that is wished."""
        super().write_format_data(format_dict, md_dict)
        text = format_dict.get("text/plain")
        if text is not None:
            self.shell.show(f"Out[{self.prompt_count}]: {text}\n")


class HostDisplayPublisher(ZMQDisplayPublisher):
    """Publishes what cells display."""

    def publish(self, data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Original; and the host's console shows it, if that is wished."""
        super().publish(data, *args, **kwargs)
        if "text/plain" in data:
            self.shell.show(f"{data['text/plain']}\n")


class HostShell(ZMQInteractiveShell):
    """The shell that runs cells."""

    displayhook_class = Type(HostDisplayHook)
    display_pub_class = Type(HostDisplayPublisher)
    # Original: missing until the first error has been shown, which an interrupt may prevent.
    _last_traceback: list[str] | None = None
    _shown: tuple[BaseException | None, list[str]] = (None, [])  # in the cell that runs

    @property
    def _owner(self) -> Owner:
        owner: Owner = self.kernel.owner
        return owner

    @property
    def interpreter(self) -> Interpreter:
        """The host's real Python."""
        return self._owner.interpreter

    def init_environment(self) -> None:
        """Original: sets six environment variables for good; see :meth:`system_piped`."""

    def init_prompts(self) -> None:
        """Original: sets ``sys.ps1`` to ``ps3``, which says "interactive" to the host."""

    def init_history(self) -> None:
        """Original, with a history that does not keep a client waiting."""
        self.history_manager = HostHistory(shell=self, parent=self)
        self.configurables.append(self.history_manager)

    def init_sys_modules(self) -> None:
        """Original: replaces ``sys.modules["__main__"]``, where hosts keep objects of theirs."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Original: starts a second GUI loop. Here the host's own loop is it, or none."""
        host = self._owner.host
        if gui in (None, "none") or gui in host.gui:
            self.active_eventloop = gui
            return
        offered = ", ".join(sorted(host.gui)) or "none"
        message = (
            f"%gui {gui} would start a second event loop inside {host.name}, on the same "
            f"thread. Available here: {offered}"
        )
        raise UsageError(message)

    def show(self, text: str, stream: int = 0) -> None:
        """Show it in the host's console, on stdout or 1 for stderr, if that is wished."""
        if self._owner.streams:
            self._owner.streams[stream].show(text)

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Original: would show each frame of ours by which an interrupt came, which takes time."""
        _, error, traceback = sys.exc_info() if exc_tuple is None else exc_tuple
        self._owner.forks.leave_child(error)
        without_ours(traceback)
        super().showtraceback(exc_tuple, *args, **kwargs)

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        """Original; and the host's console shows it, if that is wished."""
        super()._showtraceback(etype, _with_text(evalue), stb)
        self._shown = evalue, stb
        self.show("\n".join([*stb, ""]), 1)

    def _format_exception_for_storage(
        self, exception: BaseException, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Original: renders for the history what has just been rendered, before it answers."""
        shown, traceback = self._shown
        if exception is not shown:
            exception = _with_text(exception)
            found: dict[str, Any] = super()._format_exception_for_storage(
                exception, *args, **kwargs
            )
            return found
        name, text = type(exception).__name__, str(_with_text(exception))
        return {"ename": name, "evalue": text, "traceback": traceback}

    @observe("exit_now")
    def _update_exit_now(self, change: Mapping[str, Any]) -> None:
        # Original: stops the main loop, which may be the host's.
        if change["new"]:
            self.exit_now = False
            self._owner.exit_requested()

    def ask_exit(self) -> None:
        """Original: tells the client that the kernel is gone. The exit policy decides that."""
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": True})
        self.exit_now = True

    def system_piped(self, cmd: str) -> None:
        """Run a shell command for ``!cmd``, with an environment of its own."""
        saved = {name: os.environ.get(name) for name in _COMMAND_ENVIRONMENT}
        os.environ.update(_COMMAND_ENVIRONMENT)
        try:
            super().system_piped(cmd)
        finally:
            restore_environment(saved)

    system = system_piped

    async def run_cell_async(self, raw_cell: str, *args: Any, **kwargs: Any) -> Any:
        """Run a cell, each step of it where the host wants it and interruptible."""
        owner = self._owner
        if not owner.interrupter.here:  # In a subshell, as in a stock kernel.
            return await super().run_cell_async(raw_cell, *args, **kwargs)
        if not kwargs.get("silent"):
            self.kernel.tell_that_it_shares()
        owner.cell_begins(raw_cell)
        self.kernel.trace_cell()
        in_a_cell.set(True)
        if not _is_text(raw_cell):
            kwargs["store_history"] = False  # the history's thread would end by it
        coroutine = super().run_cell_async(raw_cell, *args, **kwargs)
        try:
            result = await Stepped(coroutine, partial(self._step, coroutine))
        except (KeyboardInterrupt, SystemExit) as error:
            owner.interrupter.disarm()
            result = self._ended_by(error, raw_cell)
        self._shown = (None, [])
        result.error_in_exec = _with_text(result.error_in_exec)
        result.error_before_exec = _with_text(result.error_before_exec)
        owner.cell_ended(raw_cell, result)
        return result

    def _ended_by(self, error: BaseException, raw_cell: str) -> ExecutionResult:
        # From IPython's own code around the cell. In a task it would end the whole loop, which
        # may be the host's.
        result = ExecutionResult(ExecutionInfo(raw_cell, False, False, True, None))
        result.error_in_exec = error
        self.showtraceback(running_compiled_code=True)
        return result

    async def run_ast_nodes(self, *args: Any, **kwargs: Any) -> bool:
        """Original, which runs a cell; a child that the cell has forked ends with it."""
        failed: bool = await super().run_ast_nodes(*args, **kwargs)
        self._owner.forks.leave_child()
        return failed

    @boundary
    async def run_code(self, code_obj: Any, result: Any = None, **kwargs: Any) -> bool:
        """Original; and an interrupt that the code swallowed by no wish of its own is shown."""
        failed: bool = await super().run_code(code_obj, result, **kwargs)
        try:
            if not failed:
                self._owner.interrupter.deliver()
        except KeyboardInterrupt as error:
            if result is not None:
                result.error_in_exec = error.with_traceback(None)
            self.showtraceback((type(error), error, None), running_compiled_code=True)
            return True
        return failed

    @contextmanager
    def _step(self, coroutine: Coroutine[Any, Any, Any]) -> Iterator[None]:
        owner = self._owner
        parent = self.kernel.get_parent("shell").get("header", {})
        with ExitStack() as stack:
            if owner.host.undisturbed:
                stack.enter_context(self.kernel.iopub_thread.undisturbed())
            stack.enter_context(owner.surroundings(parent))
            stack.enter_context(owner.host.tick_context())
            stack.enter_context(owner.interrupter.armed())
            owner.interrupter.insist_on(coroutine)
            yield
            owner.forks.leave_child(RuntimeError("a forked child awaits in its parent's loop"))
