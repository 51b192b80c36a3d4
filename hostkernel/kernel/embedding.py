"""One kernel inside one process, from bring-up to tear-down."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from hostkernel.errors import ConnectionFileError

from .base.context import in_a_cell
from .endings import Ending, Endings
from .guest.cell_tasks import CellTasks

# Keep first: this module imports ipykernel in a way that leaves the host's comms alone.
from .ipython import comms  # noqa: F401
from .ipython.interpreter import Interpreter
from .ipython.late_errors import LateErrors
from .ipython.objects import KernelSession
from .ipython.output import flush_replaced
from .ipython.plots import InlinePlots, gui_table
from .ipython.session_steps import SessionSteps
from .ipython.shell import shell_for_session_only
from .process.descriptors import StandardDescriptors
from .process.ending_signals import SignalHandlers
from .process.forked_output import ForkedOutput
from .process.forks import Forks
from .process.interrupt import Interrupter
from .process.namespace import CellsAsMain
from .process.native import NativeOutput
from .process.offspring import Offspring
from .process.origins import Origins
from .process.private_signal import wake_signal
from .process.residue import Residue
from .process.root_log import RootLog
from .process.swap import SessionNames
from .process.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence

    from hostkernel.config.models import KernelSettings, Settings
    from hostkernel.host import Host, Kernel
    from hostkernel.plugins import Plugins

    from .endpoint import Endpoint
    from .guest.driver import Driver
    from .ipython.kernel import HostIPythonKernel
    from .ipython.output import CellStream
    from .undo import Undo

__all__ = ["Embedding"]

log = logging.getLogger("hostkernel.kernel")

_PROMPTS = ("In : ", "...: ")  # IPython's values


class Embedding:
    """Everything that one start makes, an :class:`~hostkernel.kernel.ipython.services.Owner`.

    Made on the kernel's thread, in a step of its loop; used there unless a method says otherwise.

    Args:
        manager: the kernel as hooks see it.
        undo: gets a step for each change to the process, also if making the object fails.
        carry_out: carries out an ending, see :class:`~hostkernel.kernel.endings.Endings`.
    """

    def __init__(
        self,
        manager: Kernel,
        settings: Settings,
        plugins: Plugins,
        driver: Driver,
        endpoint: Endpoint,
        undo: Undo,
        carry_out: Callable[[Ending], None],
    ) -> None:
        self.host: Host = manager.host
        self.driver = driver
        self.settings: KernelSettings = settings.kernel
        self.endings = Endings(self, carry_out)
        self.streams: tuple[CellStream, CellStream] | tuple[()] = ()
        self.wakeup_aside: Callable[[], AbstractContextManager[None]] = nullcontext
        self._manager = manager
        self._plugins = plugins
        self._endpoint = endpoint
        self._undo = undo
        self._native: NativeOutput | None = None
        self._forked: ForkedOutput | None = None
        self._has_title = True
        self._cell_tasks = CellTasks()
        self._root_log = RootLog()
        # The order below counts: what is made last is undone first. The connection file goes last
        # of all: once it is gone, the kernel has left no trace.
        undo.callback(endpoint.withdraw)
        undo.callback(endpoint.close)
        self.residue = Residue()
        undo.reporting(self.residue.restore)
        undo.callback(log.setLevel, log.level)
        log.setLevel(self.settings.log_level.upper())
        self.interrupter = Interrupter(lambda: driver.step_seconds)
        undo.reporting(self.interrupter.close)
        self.send_wake = self._take_wake_signal() if driver.sleeps else _nothing
        self._descriptors = StandardDescriptors()
        undo.callback(self._descriptors.close)
        self.names = SessionNames()
        undo.callback(self.names.forget)
        self.threads = Threads()
        undo.reporting(self.threads.close)
        self._offspring = Offspring(self.threads.of_cells)
        self._origins = Origins(self._namespace, driver.plumbing)
        self.forks = Forks(self._origins.is_cells)
        undo.callback(self.forks.close)
        self._session = KernelSession(self)
        undo.callback(self._session.close)
        undo.enter_context(gui_table())
        self.interpreter = Interpreter(self.host, self._in_a_cell)
        undo.callback(self.interpreter.close)
        self._cells_as_main = CellsAsMain(self._namespace)
        self._late_errors = LateErrors(self.host, self._namespace, self._tell_late)

    @property
    def kernel(self) -> HostIPythonKernel:
        """The kernel that speaks to clients."""
        return self._session.kernel

    @property
    def is_alive(self) -> bool:
        """Whether the kernel answers clients. Any thread."""
        return self._session.is_alive and self.driver.is_alive

    def _namespace(self) -> MutableMapping[str, Any]:
        return self._session.namespace

    def _tell_late(self, text: str) -> None:
        self.kernel.tell_late(text)

    # Up

    def start(self) -> None:
        """Start to answer clients, in the step in which the object was made."""
        info = self._session.start(self._endpoint.info)
        if self.settings.capture_native:
            self._native = NativeOutput(self.streams, live=not self.host.undisturbed)
            self._undo.callback(self._native.close)
        if hasattr(os, "register_at_fork"):
            self._listen_to_children()
        self._watch_cells()
        steps = SessionSteps(self, self._cell_tasks)
        self._undo.callback(steps.end)
        self._undo.callback(self.driver.join_session(steps, self._cell_tasks))
        self._undo.callback(self._cells_as_main.remove)
        self._cells_as_main.install()
        self._undo.callback(self._late_errors.close)
        self._furnish()
        self.residue.settle()
        hidden = shell_for_session_only(self.threads)
        self._undo.reporting(lambda: filter(None, [hidden.close()]))
        self._undo.callback(self.kernel.cancel_requests)
        self._endpoint.publish(info, host=self.host.name, title=self._title())
        self._session.tell_file(str(self._endpoint.file))

    def watch_the_host(self, host_ends: Callable[[], None]) -> None:
        """Have the adapter and atexit call ``host_ends`` when the host ends.

        On the thread that starts the kernel.
        """
        atexit.register(host_ends)
        self._undo.callback(atexit.unregister, host_ends)
        undo = self.host.on_exit(host_ends)
        if undo is not None:
            self._undo.callback(undo)

    def handle_signals(self, numbers: Sequence[int], called: Callable[[int], None]) -> None:
        """Call ``called`` for signals that would end the process. On the main thread."""
        handlers = SignalHandlers(numbers, self.driver.loop, called)
        self._undo.callback(handlers.close)
        self.wakeup_aside = handlers.cell_runs

    def _take_wake_signal(self) -> Callable[[], None]:
        wake = wake_signal()
        self._undo.reporting(wake.close)
        return wake.send

    def _watch_cells(self) -> None:
        interrupter = self.interrupter
        interrupter.later = self._session.call_later
        interrupter.beyond = self._find_beyond
        interrupter.beyond_late = self._offspring.interrupt_late
        interrupter.watchers += (self._offspring, self._root_log)
        self._undo.callback(self._root_log.clear)
        interrupter.is_nested = self.driver.turned_inside
        if self.driver.may_nest:
            interrupter.watchers.append(self._origins)
            interrupter.origins = self._origins

    def _find_beyond(self) -> Callable[[bool], None]:
        # Look before the cell is interrupted: a shell that the interrupt ends leaves orphans.
        return partial(self._interrupt_beyond, self._offspring.living(), self.kernel.running)

    def _interrupt_beyond(
        self, processes: list[int], running: frozenset[object], insists: bool
    ) -> None:
        self._offspring.interrupt(processes, insists=insists)
        if running.isdisjoint(self.kernel.running):
            return  # the cell has ended; the host could not tell which cell was meant
        self.driver.turn_inside()
        try:
            self.host.interrupted()
        except Exception:
            log.exception("%s.interrupted() failed", type(self.host).__qualname__)

    def _in_a_cell(self) -> bool:
        return in_a_cell.get() or self.threads.parent() is not None

    def _furnish(self) -> None:
        self._offer_names()
        session = self._session
        session.furnish(self._plugins.collect("hostkernel_namespace", host=self.host))
        self._plugins.use("hostkernel_extensions", session.load_extension, host=self.host)

    def _listen_to_children(self) -> None:
        self._forked = ForkedOutput(self._write_for_child)
        self._undo.callback(self._forked.close)
        number, read = self._forked.fileno(), self._forked.read
        if self.host.undisturbed:  # no other thread may run Python while a cell does
            self.driver.loop.add_reader(number, read)
            self._undo.callback(self.driver.loop.remove_reader, number)
        else:
            self._undo.callback(self._session.watch(number, read))
        for stream in self.streams:
            stream.forked = self._forked

    def _write_for_child(self, name: str, header: Mapping[str, Any], text: str) -> None:
        for stream in self.streams:
            if stream.name == name:
                stream.write_for(header, text)

    def _offer_names(self) -> None:
        kernel, shell = self.kernel, self.kernel.shell
        self.threads.namespace = shell.user_ns
        self.names.reset()
        for stream in self.streams:
            self.names.offer(f"sys.{stream.name}", stream)
        self.names.offer("sys.modules.__main__", shell.user_module)
        for number, prompt in enumerate(_PROMPTS, 1):  # debuggers and libraries read these
            self.names.offer(f"sys.ps{number}", prompt)
        self.names.offer("builtins.input", kernel.raw_input)
        self.names.offer("builtins.get_ipython", shell.get_ipython)
        self.names.offer("getpass.getpass", kernel.getpass)

    def _title(self) -> str | None:
        try:
            return self.host.title()
        except Exception:
            log.exception("%s.title() failed", type(self.host).__qualname__)
            self._has_title = False
            return None

    # Down

    def renew(self) -> None:
        """Restart in place: make a new namespace, shell and comms on the same sockets."""
        self._cell_tasks.cancel(keep=self.endings.tasks)
        self._descriptors.heal()
        self._root_log.clear()
        try:
            with self.residue.renewing(), self.threads.kernels_own_work():
                self._session.renew()
                self._furnish()
        finally:
            self.kernel.reopen()

    # What the shell and the kernel ask of their owner

    @contextmanager
    def surroundings(self, parent: dict[str, Any]) -> Iterator[None]:
        """Put the session's streams and names into the process for one step of the session."""
        if self.names.inside:  # a cell within a cell: the outer one has done this
            yield
            return
        self.threads.latest = parent
        with ExitStack() as stack:
            if self._native is not None:
                stack.enter_context(self._native.forwarded(parent))
            for stream in self.streams:
                found = getattr(sys, stream.name)
                if found is not stream:
                    stack.enter_context(stream.in_front_of(found))
            with self.names.in_place():
                try:
                    with self.interpreter.named(), self.wakeup_aside(), InlinePlots():
                        yield
                finally:  # a cell's last step leaves by StopIteration
                    if self._forked is not None and self._forked.has_children:
                        self._forked.read()
                    flush_replaced(self.streams, parent)

    @property
    def title(self) -> str | None:
        """The title of what was open in the host at the last look. Any thread."""
        facts = self._endpoint.info.hostkernel
        return facts.title if facts is not None else None

    def look_at_title(self) -> None:
        """Note the title of what is open in the host now, also in the connection file."""
        try:
            if self._has_title:
                self._endpoint.retitle(self._title())
        except (ConnectionFileError, OSError):
            log.exception("the title could not be written down")

    def cell_begins(self, cell: str) -> None:
        """Prepare for a cell that is about to run, and notify plugins."""
        self._descriptors.cell_begins()
        self._offspring.cell_begins()
        self._cells_as_main.install()
        self._late_errors.watch()
        self._plugins.notify("hostkernel_pre_run_cell", kernel=self._manager, cell=cell)

    def cell_ended(self, cell: str, result: object) -> None:
        """Clean up after a cell that has run, and notify plugins."""
        self._descriptors.cell_ended()
        self.look_at_title()
        self._plugins.notify(
            "hostkernel_post_run_cell", kernel=self._manager, cell=cell, result=result
        )

    def comm_begins(self, message: Mapping[str, Any]) -> None:
        """Notify plugins that a comm message is about to be handled."""
        notify = self._plugins.notify
        notify("hostkernel_pre_comm_message", kernel=self._manager, message=message)

    def comm_ended(self, message: Mapping[str, Any]) -> None:
        """Notify plugins that a comm message was handled."""
        notify = self._plugins.notify
        notify("hostkernel_post_comm_message", kernel=self._manager, message=message)


def _nothing() -> None:
    pass
