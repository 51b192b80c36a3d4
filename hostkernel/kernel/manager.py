"""Start and stop the kernel of this process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import uuid
from functools import partial
from typing import TYPE_CHECKING, Self

from hostkernel.errors import (
    AlreadyRunningError,
    HostVetoError,
    KernelTimeoutError,
    NotRunningError,
    ShellExistsError,
    UnknownHostError,
)
from hostkernel.processes import is_plain_python

from .embedding import Embedding
from .endings import Ending
from .endpoint import Endpoint
from .guest.drivers import PumpedDriver, ServedDriver, SharedDriver, ThreadDriver
from .guest.pump import never
from .process.ending_signals import leave_to_forked_children, raised_by_the_program
from .state import Life, State
from .undo import StopReport, Undo
from .vetoes import why_not_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hostkernel.config.models import Settings
    from hostkernel.connection import ConnectionInfo
    from hostkernel.host import Host, HostLoop
    from hostkernel.plugins import Plugins

    from .guest.driver import Driver

__all__ = ["HostKernelManager", "StopReport"]

log = logging.getLogger("hostkernel.kernel")

_PATIENCE = 10.0  # seconds that a call from another thread waits for the kernel's thread
_GRACE = 1.0  # seconds that the end of the host waits for the kernel's own thread
_BESIDE = (
    "Cells would run in a thread beside this application, which may crash it. "
    'hostkernel.start(host="python") does it all the same; a plugin can teach its main loop.'
)


class HostKernelManager:
    """The kernel of this process: a state machine, safe to call from any thread.

    Args:
        host: the adapter.
        settings: all settings.
        plugins: the plugins whose hooks are called.
        kernel_id: identifier in the connection file's name; random if None.
        connection_file: a launcher's file, whose ports and key are used.
        assumed: the host was neither named nor detected. The kernel then refuses to run in a
            thread beside an application that is not plain Python.

    Example::

        manager = hostkernel.start()
        print(manager.connection_file)
        manager.stop()
    """

    def __init__(
        self,
        host: Host,
        settings: Settings,
        plugins: Plugins,
        *,
        kernel_id: str | None = None,
        connection_file: Path | None = None,
        assumed: bool = False,
    ) -> None:
        self.host = host
        self.settings = settings
        self.plugins = plugins
        self._id = kernel_id or str(uuid.uuid4())
        # Absolute: the program may change its working directory.
        self._given_file = connection_file and connection_file.absolute()
        self._assumed = assumed
        self._pid = os.getpid()
        self._life = Life(self)
        self._stopped = threading.Event()
        self._report = StopReport()
        self._driver: Driver | None = None
        self._endpoint: Endpoint | None = None
        self._undo = Undo()
        self._embedding: Embedding | None = None
        self._ending_signals: tuple[int, ...] = ()
        self._signalled = False

    # Properties

    @property
    def id(self) -> str:
        """Identifier in the connection file's name, ``kernel-<id>.json``."""
        return self._endpoint.kernel_id if self._endpoint is not None else self._id

    @property
    def state(self) -> State:
        """The state of the kernel."""
        return self._life.state

    @property
    def mode(self) -> str | None:
        """``pumped``, ``shared``, ``served`` or ``thread``; None while idle."""
        return self._driver.mode if self._driver is not None else None

    @property
    def is_running(self) -> bool:
        """Whether clients can reach the kernel now; checked at each access."""
        embedding = self._running
        return embedding is not None and self._pid == os.getpid() and embedding.is_alive

    @property
    def connection_file(self) -> Path | None:
        """The connection file while there is one."""
        return self._endpoint.file if self._endpoint is not None else None

    @property
    def connection_info(self) -> ConnectionInfo:
        """How clients reach the kernel.

        Raises:
            NotRunningError: the kernel is not running.
        """
        if self._endpoint is None:
            raise NotRunningError("tell the connection", self._life.state.value)
        return self._endpoint.info

    # Start

    def start(self) -> Self:
        """Start the kernel and return at once; the connection file exists by then.

        The kernel joins the asyncio loop that runs on this thread if there is one, else is
        pumped by the host's main loop, else runs in a thread of its own.

        Raises:
            AlreadyRunningError: this kernel, or another one in this process, is not idle.
            ShellExistsError: this process has an IPython shell that is not the kernel's.
            StartError: IPython cannot be set up.
            HostVetoError: the adapter refuses, or a library has monkey-patched Python's threads.
            UnknownHostError: the kernel would run in a thread beside an unknown application.
            ConnectionFileError: the launcher's file cannot be used.
            zmq.ZMQError: a port is taken. As after any failure, the process is as it was before.
        """
        self._start(self._fitting_driver)
        return self

    def serve(self) -> None:
        """Start the kernel if it is idle, and run it here until it is stopped.

        Ctrl-C interrupts a running cell; without a running cell, Ctrl-C ends the kernel and is
        raised. What a signal handler raises is raised too, unless a cell has set the handler.
        The kernel is stopped in each case.

        Raises:
            KeyboardInterrupt: Ctrl-C while no cell was running.
            HostkernelError, zmq.ZMQError: for the reasons that :meth:`start` has.
        """
        ends = never if self._ending_signals else raised_by_the_program()
        if self._life.state is State.IDLE:
            self._start(ServedDriver)
        driver = self._driver
        if driver is not None and not self._stay_with(driver, ends):
            raise AlreadyRunningError(f"{driver.mode} by its host", self.connection_file)
        if self._signalled and not self._ending_signals:
            raise KeyboardInterrupt

    def _stay_with(self, driver: Driver, ends: Callable[[BaseException], bool]) -> bool:
        try:
            return driver.serve(ends)
        except BaseException as error:
            if self._driver is driver and self._life.state is State.RUNNING:
                self._stop_behind(driver, repr(error))
            raise

    def _stop_behind(self, driver: Driver, error: str) -> None:
        embedding, reason = self._embedding, f"serve() was ended by {error}"
        if embedding is None or not driver.here:
            self.request_stop(reason)
            self._stopped.wait(_PATIENCE)
            return
        embedding.interrupter.disarm()
        embedding.endings.settle()
        self._end(reason)

    def run(self) -> None:
        """Start in the host's loop and return, or :meth:`serve` if the host has no loop."""
        host_loop = self._host_loop()
        if host_loop is None:
            self.serve()
        else:
            self._start(partial(self._pumped, host_loop))

    def stop_on_signals(self) -> None:
        """Have Ctrl-C and SIGTERM end the kernel and the host.

        The first signal ends kernel and host in order, the second has its default effect. Called
        before the start, on the main thread, where hostkernel owns the process.
        """
        self._ending_signals = (signal.SIGINT, signal.SIGTERM)
        leave_to_forked_children(self._ending_signals)

    def _fitting_driver(self) -> Driver:
        if asyncio._get_running_loop() is not None:
            return SharedDriver()
        host_loop = self._host_loop()
        if host_loop is not None:
            return self._pumped(host_loop)
        if self._assumed and not is_plain_python():
            raise UnknownHostError(None, sorted(self.plugins.hosts), hint=_BESIDE)
        return ThreadDriver()

    def _host_loop(self) -> HostLoop | None:
        redirected: HostLoop | None = self.plugins.first("hostkernel_loop", host=self.host)
        return redirected or self.host.loop()

    def _pumped(self, host_loop: HostLoop) -> Driver:
        return PumpedDriver(host_loop, self.settings.kernel.time_budget)

    def _start(self, make_driver: Callable[[], Driver]) -> None:
        self._claim_process()
        try:
            self._refuse()
            self._endpoint = self._claim_endpoint()
            self._driver = make_driver()
            self._bring_up(self._driver, self._endpoint)
        except BaseException:
            self._give_up()
            raise
        self._life.state = State.RUNNING
        self.plugins.notify("hostkernel_started", kernel=self)

    def _claim_process(self) -> None:
        self._life.begin()
        self._pid = os.getpid()
        self._signalled = False
        self._stopped.clear()

    def _refuse(self) -> None:
        shell = sys.modules.get("IPython.core.interactiveshell")
        if shell is not None and shell.InteractiveShell.initialized():
            raise ShellExistsError(type(shell.InteractiveShell._instance).__name__)
        reason = why_not_here() or self.host.veto()
        if reason is not None:
            raise HostVetoError(self.host.name, reason)

    def _claim_endpoint(self) -> Endpoint:
        settings = self.settings.connection
        if self._given_file is not None:
            return Endpoint.given(self._given_file, settings)
        return Endpoint.fresh(self.plugins.paths(self.host).runtime, self._id, settings)

    def _bring_up(self, driver: Driver, endpoint: Endpoint) -> None:
        self._undo = Undo()
        driver.run(partial(self._embed, driver, endpoint))
        embedding = self._embedding
        assert embedding is not None
        driver.start(embedding.send_wake)
        embedding.watch_the_host(self._host_ends)
        if threading.current_thread() is threading.main_thread():
            self._handle_signals(embedding)

    def _embed(self, driver: Driver, endpoint: Endpoint) -> None:
        self._embedding = Embedding(
            self, self.settings, self.plugins, driver, endpoint, self._undo, self._carry_out
        )
        self._embedding.start()

    def _handle_signals(self, embedding: Embedding) -> None:
        numbers = self._ending_signals
        for number in numbers:  # also during and after the stop, if the host goes on
            signal.signal(number, lambda number, _frame: self._on_signal(number))
        is_main_loop = embedding.driver.is_main_loop
        if not numbers and is_main_loop and embedding.interrupter.python_has_ctrl_c:
            numbers = (signal.SIGINT,)
        if numbers:
            embedding.handle_signals(numbers, self._on_signal)

    def _on_signal(self, number: int) -> None:
        if self._pid != os.getpid():
            raise KeyboardInterrupt  # Ctrl-C in a forked child, which owns nothing
        embedding = self._embedding
        owned = bool(self._ending_signals)
        if not owned and embedding is not None and embedding.interrupter.is_armed:
            embedding.interrupter.raise_here()
        if self._signalled:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._signalled = True
        if embedding is None and owned:
            self.host.quit()
        # If the kernel is already stopping, _carry_out() ends the host next.
        self.request_stop(signal.Signals(number).name, exit_host=owned)

    def _give_up(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.apart(partial(self._dismantle, driver))
        if self._endpoint is not None:
            self._endpoint.close()
        self._become_idle()

    # Stop

    def stop(self) -> StopReport:
        """Stop the kernel, and put the process back as it was.

        Called inside a cell, it takes effect after the reply to the cell. Called from another
        thread, it waits for the kernel's thread and never kills anything.

        Returns:
            What could not be put back; empty if called inside a cell.

        Raises:
            NotRunningError: no kernel runs.
            KernelTimeoutError: the kernel's thread was busy for more than 10 seconds.
        """
        embedding = self._embedding_for("stop")
        if embedding.endings.may_end_here:
            embedding.endings.settle()
            return self._end("stop()")
        driver = embedding.driver
        patient = driver.here or not driver.has_own_thread
        embedding.endings.post(Ending("stop", "stop()", patient))
        if driver.here:
            return StopReport()
        if not self._stopped.wait(_PATIENCE):
            raise KernelTimeoutError("stop", _PATIENCE)
        driver.join()
        return self._report

    def restart(self) -> None:
        """Restart in place: make a new namespace on the same ports and key.

        Takes effect after the reply to the running request.

        Raises:
            NotRunningError: no kernel runs.
        """
        embedding = self._embedding_for("restart")
        embedding.endings.post(Ending("restart", "restart()", patient=embedding.driver.here))

    def request_stop(self, reason: str, *, exit_host: bool = False) -> None:
        """Interrupt the running cell, then stop.

        Any thread, any signal handler; returns at once. Does nothing if no kernel runs.

        Args:
            reason: what ``hostkernel_stopped`` reports.
            exit_host: end the host too, in its own orderly way.
        """
        embedding = self._running
        if embedding is not None:
            embedding.endings.post(Ending("exit-host" if exit_host else "stop", reason))

    @property
    def _running(self) -> Embedding | None:
        return self._embedding if self._life.state is State.RUNNING else None

    def _embedding_for(self, action: str) -> Embedding:
        if self._pid != os.getpid():
            raise NotRunningError(action, "its parent process's")
        embedding = self._running
        if embedding is None:
            raise NotRunningError(action, self._life.state.value)
        return embedding

    def _carry_out(self, ending: Ending) -> None:
        embedding = self._running
        if embedding is None:
            return
        if ending.action == "restart":
            embedding.renew()
            return
        self._end(ending.reason)
        if ending.action == "exit-host" or (self._signalled and self._ending_signals):
            self.host.quit()

    def _host_ends(self) -> None:
        """Stop as the host ends; in the middle of a cell, only withdraw the connection file."""
        if self._pid != os.getpid():
            return  # a forked child, which has copies of everything and owns nothing
        embedding = self._running
        if embedding is None:
            return
        if embedding.endings.may_end_here:
            self._end("the host ended")
        elif embedding.driver.has_own_thread:
            self.request_stop("the host ended")
            self._stopped.wait(_GRACE)
        elif self._endpoint is not None:
            self._endpoint.withdraw()

    def _end(self, reason: str) -> StopReport:
        """Stop the kernel. On the kernel's thread, outside any step."""
        self._life.state = State.STOPPING
        assert self._driver is not None
        try:
            self._dismantle(self._driver)
        finally:
            self._become_idle()
        self.plugins.notify("hostkernel_stopped", kernel=self, reason=reason)
        return self._report

    def _dismantle(self, driver: Driver) -> None:
        try:
            self._report = self._undo.take_down()
        finally:
            driver.close()

    def _become_idle(self) -> None:
        self._embedding = self._endpoint = self._driver = None
        self._life.end()
        self._stopped.set()
