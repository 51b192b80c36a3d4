"""Outside: start a host in a process of its own, and wait for its kernel or say why not."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, LaunchError, ScriptError

from . import bootstrap
from .child import Child, describe_status
from .packages import known_python, remember_python
from .report import Ended, Process, StartReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hostkernel.host import Launch

    from .orders import Orders
    from .prepare import Prepared
    from .signals import Event, Signals

__all__ = ["Started", "start", "start_with_its_python"]

_POLL = 0.01
_GRACE = 5.0  # seconds for a host to report after its wrapper's whole process group has ended


@dataclass(frozen=True)
class Started:
    """A host whose kernel is up.

    Attributes:
        child: the process that we started, the host or a wrapper.
        process: the host's process; None if its id is meaningless here, as in a container.
        kernel_id: the kernel's id.
        connection_file: the file that clients read.
        info: the content of that file.
    """

    child: Child
    process: Process | None
    kernel_id: str
    connection_file: Path
    info: ConnectionInfo


def start(
    launch: Launch,
    orders: Orders,
    signals: Signals,
    *,
    runtime: Path,
    timeout: float,
    log: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    around_output: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Started:
    """Start a host and wait until its kernel is up; end what was started if that fails.

    Args:
        launch: from :meth:`hostkernel.launch.prepare.Prepared.launch`.
        orders: the orders for the bootstrap.
        signals: already entered; Ctrl-C gives up.
        runtime: the folder of connection files.
        timeout: seconds that the host may take.
        log: file for the host's output; None passes it through to this process's output.
        on_step: called with each step that the host reports.
        around_output: entered around each piece of the host's output, on a reader thread.

    Raises:
        LaunchError: the start failed; it has all that is known about that.
    """
    with orders.written_below(runtime) as folder:
        report = StartReport(folder / bootstrap.REPORT)
        env = {**os.environ, **launch.env, bootstrap.VARIABLE: str(folder)}
        try:
            child = Child(launch.argv, env, launch.cwd, log, around_output)
        except OSError as error:
            raise _not_run(orders.host, launch, error) from error
        starting = _Starting(orders.host, child, report, timeout, signals, windowed=launch.windowed)
        try:
            return starting.wait(on_step)
        except BaseException:
            child.end(report.process)
            raise


def start_with_its_python(
    prepared: Prepared,
    launch: Launch,
    orders: Orders,
    signals: Signals,
    *,
    log: Path | None,
    on_step: Callable[[str], None],
    around_output: Callable[[], AbstractContextManager[object]],
) -> Started:
    """Do what :func:`start` does, but first get packages for a host with another Python.

    If only the host knows its Python's version, the first start fails by reporting the version,
    and a second start follows.
    """
    cache = prepared.paths.cache

    def attempt(orders: Orders) -> Started:
        return start(
            launch,
            orders,
            signals,
            runtime=prepared.paths.runtime,
            timeout=prepared.loaded.settings.kernel.start_timeout,
            log=log,
            on_step=on_step,
            around_output=around_output,
        )

    def furnished(orders: Orders, python: str) -> Orders:
        try:
            with signals.raising():
                return prepared.furnished(orders, python, on_step)
        except KeyboardInterrupt:
            raise LaunchError(orders.host, "interrupted") from None

    def with_packages(orders: Orders) -> Started:
        known = known_python(launch.argv[0], cache) or launch.python
        if known not in {None, orders.python} and _can_be_served(known):
            orders = furnished(orders, str(known))
        try:
            return attempt(orders)
        except LaunchError as error:
            if error.python in {None, orders.python} or not _can_be_served(error.python):
                raise
            remember_python(launch.argv[0], cache, str(error.python))
            return attempt(furnished(orders, str(error.python)))

    try:
        return with_packages(orders)
    except LaunchError as error:
        prepared.complete(error)
        raise


def _can_be_served(python: str | None) -> bool:
    return tuple(map(int, str(python).split("."))) >= bootstrap.OLDEST


class _Starting:
    """A host that was started and whose kernel is not up yet."""

    def __init__(
        self,
        host: str,
        child: Child,
        report: StartReport,
        timeout: float,
        signals: Signals,
        *,
        windowed: bool,
    ) -> None:
        self.host = host
        self.child = child
        self.report = report
        self.timeout = timeout
        self.signals = signals
        self.windowed = windowed
        self._lonely_since: float | None = None

    def wait(self, on_step: Callable[[str], None]) -> Started:
        deadline = time.monotonic() + self.timeout
        step = None
        while self.report.ready is None:
            gone = self._is_gone()
            self.report.poll()
            if self.report.step != step:
                step = self.report.step
                on_step(step or "")
            self._check(gone, time.monotonic() >= deadline)
            if self._is_unwanted(self.signals.next(_POLL)):
                raise self._error("interrupted")
        return self._started()

    def _check(self, gone: bool, late: bool) -> None:
        if self.report.failure is not None:
            raise self._reported()
        if self.report.ready is None and self.report.ended is not None:
            raise self._script_ended(self.report.ended)
        if self.report.ready is None and gone:
            raise self._died()
        if self.report.ready is None and late:
            raise self._late()

    def _is_unwanted(self, event: Event | None) -> bool:
        return event == "interrupt" or (event == "hangup" and not self.windowed)

    def _is_gone(self) -> bool:
        process = self.report.process
        if process is not None:
            return not process.is_alive
        if self.child.status is None or self.child.holds_output or self.child.has_group:
            return False
        return self.child.status != 0 or self._lonely_for(_GRACE)

    def _lonely_for(self, seconds: float) -> bool:
        now = time.monotonic()
        self._lonely_since = self._lonely_since or now
        return now - self._lonely_since >= seconds

    def _started(self) -> Started:
        ready = self.report.ready
        assert ready is not None
        try:
            info = ConnectionInfo.read(ready.connection_file)
        except ConnectionFileError as error:
            raise self._error(
                f"its kernel is up, but cannot be reached from here: {error}"
            ) from error
        return Started(
            self.child, self.report.process, ready.kernel_id, ready.connection_file, info
        )

    # Why there is no kernel

    def _reported(self) -> LaunchError:
        failure = self.report.failure
        assert failure is not None
        return self._error(failure.reason, failure.step, failure.traceback, failure.hint)

    def _script_ended(self, ended: Ended) -> ScriptError:
        reason = ended.text.rstrip().rpartition("\n")[2] or f"status {ended.status}"
        return ScriptError(
            host=self.host,
            reason=f"its script ended: {reason}",
            command=self.child.argv,
            traceback=ended.text,
            status=ended.status,
            python=self.report.python,
        )

    def _died(self) -> LaunchError:
        process, status = self.report.process, self.child.status
        if process is not None and process.pid != self.child.pid:
            return self._error(f"the host (pid {process.pid}) ended before its kernel was up")
        if status:
            return self._error(f"it ended with {describe_status(status)} before its kernel was up")
        hint = f"It must run hostkernel's start script; see [hosts.{self.host}] command."
        return self._error("the command ended, and no host appeared", hint=hint)

    def _late(self) -> LaunchError:
        hint = "Is it waiting for somebody? Else allow more: --set kernel.start_timeout=SECONDS"
        if not self.report.began:
            hint = f"It never ran hostkernel's start script. {hint}"
        return self._error(f"its kernel was not up after {self.timeout:g} s", hint=hint)

    def _error(
        self,
        reason: str,
        step: str | None = None,
        traceback: str | None = None,
        hint: str | None = None,
    ) -> LaunchError:
        return LaunchError(
            host=self.host,
            reason=reason,
            step=step or self.report.step,
            command=self.child.argv,
            traceback=traceback,
            output=self.child.last_output(),
            status=self.child.status,
            hint=hint,
            python=self.report.python,
        )


def _not_run(host: str, launch: Launch, error: OSError) -> LaunchError:
    reason = f"{error.filename or launch.argv[0]} cannot be run: {error.strerror}"
    hint = f"[hosts.{host}] command names the program to run instead of the one found."
    return LaunchError(host, reason, command=launch.argv, hint=hint)
