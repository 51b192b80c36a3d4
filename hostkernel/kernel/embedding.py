"""One kernel inside one process, from bring-up to tear-down."""

from __future__ import annotations

import atexit
import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hostkernel.errors import ConnectionFileError

# First: it imports ipykernel in a way that leaves the host's comms alone.
from . import comms  # noqa: F401
from .ctrl_c import SignalHandlers
from .endings import Ending, Endings
from .forks import Forks
from .interpreter import Interpreter
from .interrupt import Interrupter
from .namespace import CellsAsMain
from .native import NativeOutput
from .offspring import Offspring
from .origins import Origins
from .output import CellStream, Threads
from .plots import inline_plots
from .private_signal import wake_signal
from .residue import Residue
from .root_log import RootLog
from .session import KernelSession
from .tasks import CellTasks, in_a_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostkernel.config.models import KernelSettings, Settings
    from hostkernel.host import Host, Kernel
    from hostkernel.plugins import Plugins

    from .drivers import Driver
    from .endpoint import Endpoint
    from .requests import HostIPythonKernel

__all__ = ["Embedding", "StopReport"]

log = logging.getLogger("hostkernel.kernel")


@dataclass(frozen=True)
class StopReport:
    """What a stop could not put back as it was: one sentence each, none in the good case."""

    left: tuple[str, ...] = ()


class Embedding:
    """Owns everything that a start makes; an :class:`~hostkernel.kernel.owner.Owner`.

    Made and used on the kernel's thread.

    Args:
        manager: the kernel as hooks see it.
        carry_out: what an ending calls, see :class:`~hostkernel.kernel.endings.Endings`.
    """

    def __init__(
        self,
        manager: Kernel,
        settings: Settings,
        plugins: Plugins,
        driver: Driver,
        endpoint: Endpoint,
        carry_out: Callable[[Ending], None],
    ) -> None:
        self.host: Host = manager.host
        self.driver = driver
        self.streams: tuple[CellStream, CellStream] | tuple[()] = ()
        self.interpreter: Interpreter
        self.interrupter: Interrupter
        self.residue: Residue
        self.threads: Threads
        self.endings = Endings(settings.kernel, self, carry_out)
        self.forks: Forks
        self._manager = manager
        self.settings: KernelSettings = settings.kernel
        self._native: NativeOutput | None = None
        self._plugins = plugins
        self._endpoint = endpoint
        self._cell_tasks = CellTasks()
        self._root_log = RootLog()
        self._undo = ExitStack()
        self._report: list[str] = []
        self._session: KernelSession
        self._wake = _nothing
        self._has_title = True

    @property
    def kernel(self) -> HostIPythonKernel:
        """The kernel that speaks to clients."""
        return self._session.kernel

    @property
    def is_alive(self) -> bool:
        """Whether clients are being answered."""
        return self._session.is_alive

    def send_wake(self) -> None:
        """Cut a sleep of the host's main thread short. Any thread."""
        self._wake()

    # Up

    def bring_up(self) -> None:
        """Start everything. Runs as one step of the kernel's loop."""
        # First, so that it is last at the end: a kernel whose file is gone has left no trace.
        self._undo.callback(self._endpoint.withdraw)
        self._undo.callback(self._endpoint.close)
        self._keep_ledger()
        self._take_signals()
        self.threads = Threads()
        self._offspring = Offspring(self.threads.of_cells)
        self._session = KernelSession(self)
        self._origins = Origins(lambda: self._session.namespace, self.driver.plumbing)
        self.forks = Forks(self._origins.is_cells)
        self._undo.callback(self.forks.close)
        self._undo.callback(self._session.close)
        self.interpreter = Interpreter(self.host, self._in_a_cell)
        self._undo.callback(self.interpreter.close)
        info = self._session.start(self._endpoint.info)
        if self.settings.capture_native:
            self._native = NativeOutput(self.streams, live=not self.host.undisturbed)
            self._undo.callback(self._native.close)
        self._watch_cells()
        if self.driver.mode != "shared":  # there the loop is the host's
            self.driver.loop.set_task_factory(self._cell_tasks)
        self._cells_as_main = CellsAsMain(lambda: self._session.namespace)
        self._undo.callback(self._cells_as_main.remove)
        self._cells_as_main.install()
        self._furnish()
        self.residue.settle()
        self._undo.callback(self.kernel.cancel_requests)
        self._endpoint.publish(info, host=self.host.name, title=self._title())

    def watch_the_host(self, host_ends: Callable[[], None]) -> None:
        """Have ``host_ends`` called when the host ends, by its adapter's way and atexit."""
        atexit.register(host_ends)
        self._undo.callback(atexit.unregister, host_ends)
        undo = self.host.on_exit(host_ends)
        if undo is not None:
            self._undo.callback(undo)

    def handle_signals(self, numbers: Sequence[int], called: Callable[[int], None]) -> None:
        """Have ``called`` called for signals that end the process. On the main thread."""
        self._undo.callback(SignalHandlers(numbers, self.driver.loop, called).close)

    def _keep_ledger(self) -> None:
        self.residue = Residue()
        self._undo.callback(lambda: self._report.extend(self.residue.restore()))
        level = log.level
        log.setLevel(self.settings.log_level.upper())
        self._undo.callback(log.setLevel, level)

    def _take_signals(self) -> None:
        self.interrupter = Interrupter(lambda: self.driver.step_seconds)
        self._undo.callback(lambda: self._report.extend(self.interrupter.close()))
        if self.driver.sleeps:
            wake = wake_signal()
            self._undo.callback(lambda: self._report.extend(wake.close()))
            self._wake = wake.send

    def _watch_cells(self) -> None:
        interrupter = self.interrupter
        interrupter.later = self._session.call_later
        interrupter.beyond = self._find_beyond
        interrupter.watchers += (self._offspring, self._root_log)
        self._undo.callback(self._root_log.clear)
        if self.driver.mode == "pumped":
            interrupter.watchers.append(self._origins)
            interrupter.origins = self._origins
            interrupter.is_nested = self.driver.turned_inside

    def _find_beyond(self) -> Callable[[bool], None]:
        # Before the cell is interrupted: a shell that it ends leaves orphans.
        return partial(self._interrupt_beyond, self._offspring.living(), self.kernel.running)

    def _interrupt_beyond(
        self, processes: list[int], running: frozenset[object], insists: bool
    ) -> None:
        self._offspring.interrupt(processes, insists=insists)
        if running.isdisjoint(self.kernel.running):
            return  # the cell has ended by now, and the host does not know which it was
        self.driver.turn_inside()
        try:
            self.host.interrupted()
        except Exception:
            log.exception("%s.interrupted() failed", type(self.host).__qualname__)

    def _in_a_cell(self) -> bool:
        return in_a_cell.get() or self.threads.parent() is not None

    def _furnish(self) -> None:
        namespaces = self._plugins.collect("hostkernel_namespace", host=self.host)
        extensions = self._plugins.collect("hostkernel_extensions", host=self.host)
        self._session.furnish(namespaces, [name for names in extensions for name in names])

    def _title(self) -> str | None:
        try:
            return self.host.title()
        except Exception:
            log.exception("%s.title() failed", type(self.host).__qualname__)
            self._has_title = False
            return None

    # Down

    def renew(self) -> None:
        """Soft restart: fresh namespace, shell and comms on the same sockets."""
        self._cell_tasks.cancel(keep=self.endings.tasks)
        self._root_log.clear()
        try:
            with self.residue.renewing():
                self._session.renew()
                self._furnish()
        finally:
            self.kernel.reopen()

    def take_down(self) -> StopReport:
        """Stop everything. Outside any step of the kernel's loop."""
        try:
            self._undo.close()
        except Exception:
            log.exception("the kernel could not be taken down in full")
            self._report.append("a step of the stop failed; see the log")
        return StopReport(tuple(self._report))

    # What the shell and the kernel ask of their owner

    def shutdown_requested(self, *, restart: bool) -> None:
        """See :meth:`Endings.shutdown_requested`."""
        self.endings.shutdown_requested(restart=restart)

    def exit_requested(self) -> None:
        """See :meth:`Endings.exit_requested`."""
        self.endings.exit_requested()

    def request(self, action: str, *, exit_host: bool) -> None:
        """See :meth:`Endings.request`."""
        self.endings.request(action, exit_host=exit_host)

    @contextmanager
    def surroundings(self, parent: dict[str, Any]) -> Iterator[None]:
        """A step of a cell runs: what it finds in the process besides the host's own."""
        with ExitStack() as stack:
            stack.enter_context(self.threads.cell(parent))
            if self._native is not None:
                stack.enter_context(self._native.forwarded(parent))
            for stream in self.streams:
                stack.enter_context(stream.installed())
            stack.enter_context(self.interpreter.named())
            stack.enter_context(inline_plots())
            yield

    @property
    def title(self) -> str | None:
        """What was open when :meth:`look_at_title` last looked. Any thread."""
        facts = self._endpoint.info.hostkernel
        return facts.title if facts is not None else None

    def look_at_title(self) -> None:
        """Note what is open now, in the connection file too."""
        try:
            if self._has_title:
                self._endpoint.retitle(self._title())
        except (ConnectionFileError, OSError):
            log.exception("the title could not be written down")

    async def fresh_turn(self) -> None:
        """See :meth:`Driver.fresh_turn`."""
        await self.driver.fresh_turn()

    def cell_begins(self, cell: str) -> None:
        """A cell is about to run."""
        self._offspring.cell_begins()
        self._cells_as_main.install()
        self._plugins.notify("hostkernel_pre_run_cell", kernel=self._manager, cell=cell)

    def cell_ended(self, cell: str, result: object) -> None:
        """A cell has run."""
        self.look_at_title()
        self._plugins.notify(
            "hostkernel_post_run_cell", kernel=self._manager, cell=cell, result=result
        )


def _nothing() -> None:
    pass
