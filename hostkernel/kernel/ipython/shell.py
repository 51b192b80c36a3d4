"""ipykernel's shell, with every method overridden that would harm a host.

Each override says what upstream does. A test compares upstream's methods with those that were
read when this was written, so that an upgrade that changes them is noticed.
"""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell
from traitlets import Type, observe

from hostkernel.kernel.base.boundaries import boundary
from hostkernel.kernel.base.context import in_a_cell
from hostkernel.kernel.base.patch import Patch
from hostkernel.kernel.guest.stepped import Stepped
from hostkernel.kernel.process.namespace import CellsMain
from hostkernel.kernel.process.residue import restore_environment

from .display import HostDisplayFormatter, HostDisplayHook, HostDisplayPublisher
from .frames import hide_ours
from .history import HostHistory
from .naming import named_as
from .script_shell import ScriptShell

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from hostkernel.kernel.process.threads import Threads

    from .interpreter import Interpreter
    from .kernel import HostIPythonKernel
    from .scripts import Script
    from .services import Owner

__all__ = ["HostShell", "shell_for_session_only"]

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
    """Return ``error``, or an error of the same name if ``str(error)`` fails.

    ``%%bash`` raises such an error for a script whose exit status is not known yet.
    """
    try:
        str(error)
    except Exception:
        kind: type[Exception] = type(type(error).__name__, (Exception,), {})
        return kind("<exception str() failed>")
    return error


@named_as(ZMQInteractiveShell)
class HostShell(ScriptShell):
    """The shell that runs cells."""

    _transformed: dict[str, str] | None = None  # the next cell: source to plain Python
    _awaits: dict[str, bool] | None = None  # plain Python to whether it awaits

    kernel: HostIPythonKernel
    displayhook_class = Type(HostDisplayHook)
    display_pub_class = Type(HostDisplayPublisher)

    @property
    def _owner(self) -> Owner:
        return self.kernel.owner

    @property
    def interpreter(self) -> Interpreter:
        """The host's real Python."""
        return self._owner.interpreter

    @classmethod
    def initialized(cls) -> bool:
        """Whether a shell exists.

        :func:`shell_for_session_only` answers callers of ``InteractiveShell.initialized``.
        """
        return getattr(cls, "_instance", None) is not None

    @property
    def descends_from_cell(self) -> bool:
        """Whether the caller is a cell, or something that a cell started."""
        return self._owner.threads.parent() is not None

    def prepare_user_module(self, user_module: Any = None, user_ns: Any = None) -> Any:
        """Make the module of the cells, which also finds the names of the host's script."""
        if user_module is None and user_ns is None:
            user_module = CellsMain(partial(self._owner.names.of_host, "sys.modules.__main__"))
        return super().prepare_user_module(user_module, user_ns)

    def init_builtins(self) -> None:
        """Leave the host's ``exit`` and ``quit``, which upstream hides while a cell runs."""
        super().init_builtins()
        for name in ("exit", "quit"):
            self.builtin_trap.auto_builtins.pop(name, None)

    def init_display_formatter(self) -> None:
        """Do what upstream does, with a formatter that no object can make fail."""
        self.display_formatter = HostDisplayFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    def excepthook(self, etype: Any, value: Any, tb: Any) -> None:
        """Print an error that the host's C code reports, as Python does.

        Upstream: publishes it, even if the cell handles the error that the host makes of it.
        An application that collects an operator's error in its own stream then gets nothing.
        """
        if self.descends_from_cell:
            sys.__excepthook__(etype, value, tb)
        else:
            self._owner.names.of_host("sys.excepthook")(etype, value, tb)

    def init_environment(self) -> None:
        """Leave the environment alone; see :meth:`system_piped`.

        Upstream: sets six environment variables for good.
        """

    def init_prompts(self) -> None:
        """Leave ``sys.ps1`` to ``sys.ps3`` alone.

        Upstream: sets them, which tells the host that Python is interactive.
        """

    def init_history(self) -> None:
        """Do what upstream does, with a history that does not keep a client waiting."""
        loop = (lambda: self.kernel.io_loop) if self._owner.host.undisturbed else None
        self.history_manager = HostHistory(shell=self, parent=self, cells_loop=loop)
        self.configurables.append(self.history_manager)

    def init_sys_modules(self) -> None:
        """Leave ``sys.modules`` alone.

        Upstream: replaces ``sys.modules["__main__"]``, where hosts keep their own objects.
        """

    def enable_gui(self, gui: str | None = None) -> None:
        """Accept a GUI whose event loop the host runs, or none; refuse all others.

        Upstream: starts a second GUI event loop.
        """
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
        """Echo to the host's console if ``kernel.echo`` is set.

        Args:
            text: what to show.
            stream: 0 for stdout, 1 for stderr.
        """
        if self._owner.streams:
            self._owner.streams[stream].show(text)

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show an error without this package's frames; in a forked child, end the child.

        Upstream: also shows the frames of this package.
        """
        error = sys.exc_info()[1] if exc_tuple is None else exc_tuple[1]
        self._owner.forks.leave_child(error)
        hide_ours(error)
        super().showtraceback(exc_tuple, *args, **kwargs)

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        """Do what upstream does, and record its changes so that a stop or restart undoes them.

        Upstream: sets ``sys.last_value`` and the like for good.
        """
        with self._owner.residue.last_error.changes():
            return super()._get_exc_info(exc_tuple)

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        """Do what upstream does, and echo to the host's console if ``kernel.echo`` is set."""
        super()._showtraceback(etype, _with_text(evalue), stb)
        self._shown = evalue, stb
        self.show("\n".join([*stb, ""]), 1)

    def _format_exception_for_storage(
        self, exception: BaseException, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Return what the history stores of an error, with the traceback that was just shown.

        Upstream: renders the traceback once more, before it replies.
        """
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
        # Report the request to the owner. Upstream: stops the event loop, which may be the host's.
        if change["new"]:
            self.exit_now = False
            self._owner.endings.exit_requested()

    def ask_exit(self) -> None:
        """Request the exit, and leave the decision to the exit policy.

        Upstream: tells the client that the kernel is gone.
        """
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

    def expect_cell(self) -> None:
        """Prepare for a client's cell: cache what both ipykernel and IPython ask about it."""
        self._transformed, self._awaits = {}, {}

    def transform_cell(self, raw_cell: str) -> str:
        """Do what upstream does, once for each request."""
        if self._transformed is None:
            return str(super().transform_cell(raw_cell))
        if raw_cell not in self._transformed:
            self._transformed[raw_cell] = super().transform_cell(raw_cell)
        return self._transformed[raw_cell]

    def should_run_async(self, raw_cell: str, **kwargs: Any) -> bool:
        """Do what upstream does, which compiles the cell, once for each request."""
        source = kwargs.get("transformed_cell")
        if self._awaits is None or source is None or kwargs.get("preprocessing_exc_tuple"):
            return super().should_run_async(raw_cell, **kwargs)
        if source not in self._awaits:
            self._awaits[source] = super().should_run_async(raw_cell, **kwargs)
        return self._awaits[source]

    def run_cell(self, *args: Any, **kwargs: Any) -> Any:
        """Do what upstream does, with the kernel's wakeup file descriptor set aside.

        The event loop that ``%autoawait`` chooses must not find it.
        """
        with self._owner.wakeup_aside():
            return super().run_cell(*args, **kwargs)

    async def run_cell_async(self, raw_cell: str, *args: Any, **kwargs: Any) -> Any:
        """Run a cell; each of its steps is interruptible and runs where the host wants it."""
        owner = self._owner
        if not owner.interrupter.here:  # In a subshell, as in a stock kernel.
            return await super().run_cell_async(raw_cell, *args, **kwargs)
        self._transformed = self._awaits = None
        if not kwargs.get("silent"):
            self.kernel.tell_that_it_shares()
        owner.cell_begins(raw_cell)
        self.kernel.trace_cell()
        within = in_a_cell.set(True)
        if not _is_text(raw_cell):
            kwargs["store_history"] = False  # the text would end the history's thread
        owner.names.reset("builtins.input", "getpass.getpass")  # as upstream, for each cell
        script, coroutine = self.run_asked(raw_cell, *args, **kwargs)
        try:
            result = await Stepped(coroutine, partial(self.step, coroutine, script))
        except (KeyboardInterrupt, SystemExit) as error:
            owner.interrupter.disarm()
            result = self._ended_by(error, raw_cell)
        in_a_cell.reset(within)
        self._shown = (None, [])
        result.error_in_exec = _with_text(result.error_in_exec)
        result.error_before_exec = _with_text(result.error_before_exec)
        owner.cell_ended(raw_cell, result)
        return result

    def _ended_by(self, error: BaseException, raw_cell: str) -> ExecutionResult:
        # The error comes from IPython's own code around the cell. If it left the task, it would
        # end the event loop, which may be the host's.
        result = ExecutionResult(ExecutionInfo(raw_cell, False, False, True, None))
        result.error_in_exec = error
        self.showtraceback(running_compiled_code=True)
        return result

    async def run_ast_nodes(self, *args: Any, **kwargs: Any) -> bool:
        """Do what upstream does, which runs a cell; then end this process if the cell forked it."""
        failed: bool = await super().run_ast_nodes(*args, **kwargs)
        self._owner.forks.leave_child()
        return failed

    @boundary
    async def run_code(self, code_obj: Any, result: Any = None, **kwargs: Any) -> bool:
        """Do what upstream does, then show an interrupt that the code swallowed unintentionally."""
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
    def step(
        self, coroutine: Coroutine[Any, Any, Any] | None = None, script: Script | None = None
    ) -> Iterator[None]:
        """Enter what a step of the user's code needs, whatever kind of request it serves.

        Args:
            coroutine: the cell's coroutine, if the step is one of a cell.
            script: the script that ``hostkernel exec FILE`` runs, if the step is one of it.
        """
        owner = self._owner
        if not owner.interrupter.here:  # in a subshell, as in a stock kernel
            yield
            return
        parent = self.kernel.get_parent("shell").get("header", {})
        with ExitStack() as stack:
            if owner.host.undisturbed:
                stack.enter_context(self.kernel.iopub_thread.undisturbed())
            stack.enter_context(owner.surroundings(parent))
            if script is not None:
                stack.enter_context(script.installed())
            stack.enter_context(owner.interrupter.armed())
            if coroutine is None:
                yield
                return
            owner.interrupter.insist_on(coroutine)
            yield
            owner.forks.leave_child(RuntimeError("a forked child awaits in its parent's loop"))

    def user_expressions(self, expressions: Any) -> Any:
        """Evaluate the expressions as a step of the cell that they came with."""
        if not expressions:
            return {}
        with self.step():
            return super().user_expressions(expressions)


# ipykernel asks for the signature at each cell; to compute it takes as long as a short cell.
HostShell.run_cell_async.__signature__ = inspect.signature(  # type: ignore[attr-defined]
    HostShell.run_cell_async
)


def shell_for_session_only(threads: Threads) -> Patch:
    """Make ``InteractiveShell.initialized()`` true for the kernel and its cells only.

    The host's own code that asks for a shell, as matplotlib does, must not find itself in a
    notebook because one is connected.
    """

    def initialized(cls: Any) -> bool:
        return getattr(cls, "_instance", None) is not None and threads.is_session

    return Patch(InteractiveShell, "initialized", lambda _: classmethod(initialized))
