"""Where cases run: the stock kernel, and hosts of ours, each of them for many cases."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import psutil
import zmq
from jupyter_client.manager import KernelManager
from support.kinds import QT_PROGRAM
from support.live import MODES, LiveHost, cell, control, quick_client
from support.runs import Run, environment, wait_for

from .case import Case, Cell
from .normal import lines
from .recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

__all__ = ["OURS", "STOCK", "Target", "make"]

STOCK = "stock"
OURS = (*MODES, "qt")
_SECONDS = 15.0  # for a Restart
_START = 20.0  # seconds that a stock kernel has to say something

# The same order of sets in each process; the debugger warns of frozen modules otherwise.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

_IMPORT = """
__import__("sys").path.insert(0, {place!r})
__import__("probe")
__import__("sys").path.pop(0)
"""
_PROBE = "__import__('sys').modules['probe'].clean({folder!r})"
_HEALTH = "print('healthy'); 6 * 7"


class Target:
    """Something that cases can run in.

    Args:
        name: as the tests name it.
        folder: makes a new folder; each process has one of its own.
    """

    def __init__(self, name: str, folder: Callable[[], Path]) -> None:
        self.name = name
        self._new_folder = folder
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.rcvhwm = 0
        self._client: BlockingKernelClient | None = None
        self._first = ""

    def record(self, case: Case) -> tuple[str, ...]:
        """Run a case; the lines of what a client received."""
        if self._client is None:
            self._begin()
        assert self._client is not None
        late = self.name == STOCK or not case.differs_in(self.name) or bool(case.differs.ours)
        recorder = Recorder(self._client, self.interrupt, late=late)
        probe = _PROBE.format(folder=str(self.folder))
        recorder.run((*case.cells, Cell(_HEALTH, expressions=(("state", probe),))))
        last = recorder.received.replies.get(len(case.cells))
        state = last.get("user_expressions", {}).pop("state", {}) if last else None
        recorded = lines(recorder.received, self.folder)
        if state is None:
            self.abandon()
        elif str(state.get("data")) != self._first:
            self._renew()
        return recorded

    def _begin(self) -> None:
        self.folder = self._new_folder()
        self._client = self._connect()
        cell(self._client, _IMPORT.format(place=str(Path(__file__).parent)), silent=True)
        self._first = self._clean()

    def _connect(self) -> BlockingKernelClient:
        return quick_client(self.start(), self._context)

    def _clean(self) -> str:
        """Make the kernel ready for the next case; the state that the last one has left."""
        return self._value(_PROBE.format(folder=str(self.folder)))

    def _value(self, expression: str) -> str:
        """What an expression is; empty where the kernel is too broken to tell."""
        assert self._client is not None
        reply = cell(self._client, "", silent=True, user_expressions={"value": expression})
        found = reply.content.get("user_expressions", {}).get("value", {})
        return str(found.get("data", ""))

    def _renew(self) -> None:
        """Go on with a kernel that no case has changed."""
        self._end()

    def _end(self) -> None:
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
            self.end()

    def abandon(self) -> None:
        """Begin with a new process, whatever has become of this one."""
        with suppress(Exception):
            self.kill()
        with suppress(Exception):
            self._end()

    def close(self) -> None:
        """End whatever was started, in whatever state the last case has left it."""
        self.abandon()
        self._context.destroy(linger=0)

    # What each target does its own way

    def start(self) -> Path:
        """Start a process; the connection file of its kernel."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Interrupt the kernel as a client does."""
        raise NotImplementedError

    def end(self) -> None:
        """End the process."""
        raise NotImplementedError

    def kill(self) -> None:
        """End a process that may not listen any more."""


class Stock(Target):
    """ipykernel, started as Jupyter starts it. A new kernel is a new process."""

    def start(self) -> Path:
        file = self.folder / "kernel.json"
        self._manager = KernelManager(connection_file=str(file), kernel_name="python3")
        self._manager.cache_ports = False
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self._manager.kernel_spec.argv = command
        env = environment(self.folder) | _ENVIRONMENT
        log = self._log = (self.folder / "run.log").open("wb")
        self._manager.start_kernel(env=env, cwd=str(self.folder), stdout=log, stderr=log)
        return file

    def _connect(self) -> BlockingKernelClient:
        try:
            return quick_client(self.start(), self._context, _START)
        except Empty:
            # Jupyter chooses the ports before the kernel binds them, and another process may
            # have taken one by then. Hosts of ours choose their own.
            self.end()
            return super()._connect()

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()
        # Its loop sleeps on in an await until the next message comes.
        assert self._client is not None
        self._client.kernel_info()

    def end(self) -> None:
        self._manager.shutdown_kernel(now=True)
        self._log.close()


class Ours(Target):
    """A host of ours. A new kernel is a Restart; a new process if that does not mend it."""

    _run: Run

    def interrupt(self) -> None:
        assert self._client is not None
        message = self._client.session.msg("interrupt_request", {})
        self._client.control_channel.send(message)

    def end(self) -> None:
        self._run.close()

    def kill(self) -> None:
        process = psutil.Process(self._run.process.pid)
        for each in (*process.children(recursive=True), process):
            each.kill()
        self._run.process.wait()

    def _renew(self) -> None:
        assert self._client is not None
        cell(self._client, "_old = True", silent=True)
        control(self._client, "shutdown_request", restart=True)
        wait_for(self._is_new, "a new kernel", _SECONDS, 0.002)
        self._drain()
        if self._clean() != self._first:
            self._end()

    def _is_new(self) -> bool:
        return "False" in self._value("'_old' in globals()")

    def _drain(self) -> None:
        assert self._client is not None
        while self._client.iopub_channel.msg_ready():
            self._client.iopub_channel.get_msg()


class ParityHost(LiveHost):
    """A live program in which warnings stay warnings."""

    quick = (sys.executable, str(LiveHost.program))


class Live(Ours):
    """A live program in one of the modes."""

    def start(self) -> Path:
        self._run = host = ParityHost(self.folder, self.name, dev=False, **_ENVIRONMENT)
        host.start()
        return host.file()


class Qt(Ours):
    """A Qt program that has no screen. Without QT_API, by which tqdm knows a qtconsole."""

    def start(self) -> Path:
        program = self.folder / "window.py"
        program.write_text(QT_PROGRAM)
        offscreen = "--set=hosts.qt.env={QT_QPA_PLATFORM = 'offscreen'}"
        arguments = ("--host", "qt", offscreen, str(program))
        self._run = Run(self.folder, *arguments, **_ENVIRONMENT)
        return self._run.file()


def make(name: str, folder: Callable[[], Path]) -> Target:
    """The target of this name."""
    kinds: dict[str, type[Target]] = {STOCK: Stock, "qt": Qt}
    return kinds.get(name, Live)(name, folder)
