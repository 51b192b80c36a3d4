"""ipykernel's application object, with an override for every step that would harm a host."""

from __future__ import annotations

import asyncio
import logging
import pdb
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import zmq
from ipykernel.displayhook import ZMQDisplayHook
from ipykernel.heartbeat import Heartbeat
from ipykernel.kernelapp import IPKernelApp
from IPython.core import debugger
from traitlets import Any as AnyTrait
from traitlets import Type, validate

from hostkernel.connection import ConnectionInfo
from hostkernel.errors import StartError

from .iopub import PubThread
from .kernel import HostIPythonKernel
from .naming import named_as
from .output import CellStream
from .sockets import Replies, SharedSocket
from .wire import HostSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .services import Owner

__all__ = ["HostKernelApp"]


class _BoundHeartbeat(Heartbeat):
    """A heartbeat that reports a failure to bind, and also supports IPv6.

    Upstream: binds in its own thread, where nobody sees it fail, and supports IPv4 only.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.failure: BaseException | None = None
        self._bound = threading.Event()
        super().__init__(*args, **kwargs)

    def pick_port(self) -> int:
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((self.ip, 0))
            self.port = probe.getsockname()[1]
        return int(self.port)

    def _try_bind_socket(self) -> None:
        info = ConnectionInfo(transport=self.transport, ip=self.ip, hb_port=self.port)
        self.socket.ipv6 = ":" in self.ip
        self.socket.bind(info.url("hb"))

    def _bind_socket(self) -> None:
        try:
            super()._bind_socket()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._bound.set()

    def run(self) -> None:
        """Keep a ZeroMQ error. Upstream: a failure to bind ends in the thread's excepthook."""
        try:
            super().run()
        except zmq.ZMQError as error:
            self.failure = self.failure or error

    def wait_bound(self) -> None:
        """Wait until the port is taken, and raise what binding raised."""
        self._bound.wait()
        if self.failure is not None:
            raise self.failure


class _Pdb(debugger.InterruptiblePdb):
    """The debugger that ``breakpoint()`` and ``%debug`` start in a cell."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Leave SIGINT alone.

        Upstream: after ``continue`` the debugger takes Ctrl-C, for the whole application.
        """
        super().__init__(*args, **{**kwargs, "nosigint": True})


@named_as(IPKernelApp)
class HostKernelApp(IPKernelApp):
    """The application that sets up sockets, threads and shell, and nothing else.

    Needs the keyword ``owner``, an :class:`~hostkernel.kernel.ipython.services.Owner`.
    """

    kernel_class = Type(HostIPythonKernel)
    iopub_port: int
    hb_port: int
    owner: Owner = AnyTrait()

    def use(self, info: ConnectionInfo) -> None:
        """Take address, key and ports from ``info``; port 0 means any free port."""
        self.load_connection_info(info.client_info())
        if info.curve_secretkey is not None and info.curve_publickey is not None:
            self.curve_publickey = info.curve_publickey.encode()
            self.curve_secretkey = info.curve_secretkey.get_secret_value().encode()

    def _ip_default(self) -> str:
        """Return the loopback address, until :meth:`use` sets another.

        Upstream: looks up all addresses of the machine at each start.
        """
        return "127.0.0.1"

    def taken(self, info: ConnectionInfo) -> ConnectionInfo:
        """Return ``info`` with the ports that were taken."""
        ports = {f"{channel}_port": port for channel, port in self._ports.items()}
        return info.model_copy(update=ports)

    def _configure_logging(self) -> None:
        # Upstream: calls logging.config.dictConfig, which closes every log handler of the host.
        pass

    def exit(self, exit_status: int | str = 0) -> NoReturn:
        """Raise StartError. Upstream: calls ``sys.exit``, which would end the host."""
        raise StartError(f"IPython cannot be configured (status {exit_status}); see the log")

    def init_crash_handler(self) -> None:
        """Leave ``sys.excepthook`` alone. Upstream: replaces it."""

    def init_blackhole(self) -> None:
        """Leave the standard streams alone. Upstream: may replace ``sys.__stdout__``."""

    def init_connection_file(self) -> None:
        """Do nothing: the manager owns the connection file, see :meth:`use`."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """Do nothing: the manager writes the file when the kernel answers."""

    def init_poller(self) -> None:
        """Make no poller. Upstream: ends the process when its parent dies."""

    def init_signal(self) -> None:
        """Leave SIGINT alone. Upstream: ignores it for good."""

    def init_pdb(self) -> None:
        """Do what upstream does, with a debugger that leaves SIGINT alone."""
        super().init_pdb()
        for module in (debugger, pdb):
            vars(module)["Pdb"] = _Pdb

    def init_gui_pylab(self) -> None:
        """Leave MPLBACKEND alone. Upstream: sets it for the whole process and its children."""

    def configure_tornado_logger(self) -> None:
        """Add no log handler. Upstream: adds one more at each start."""

    def log_connection_info(self) -> None:
        """Store the ports. Upstream: also prints to the host's console."""
        channels = ("shell", "iopub", "stdin", "hb", "control")
        self._ports = {channel: getattr(self, f"{channel}_port") for channel in channels}

    def init_sockets(self) -> None:
        """Make the sockets without a warning.

        Upstream: warns at each start that encryption is off, which is a setting here.
        """
        with _quiet(self.log):
            super().init_sockets()

    @validate("shell_socket")
    def _share_shell_socket(self, proposal: Mapping[str, Any]) -> SharedSocket:
        # Upstream: one thread uses the socket, and the others hand it their replies.
        proposal["value"].close()
        return self._shared(self.context, zmq.ROUTER)

    @staticmethod
    def _shared(context: zmq.Context[Any], kind: int) -> SharedSocket:
        socket: SharedSocket = context.socket(kind, socket_class=SharedSocket)
        return socket

    def init_kernel(self) -> None:
        """Make a kernel whose thread sends its own replies. Upstream: another thread sends them."""
        super().init_kernel()
        # Private: the pair on which this thread hands replies to the shell channel's thread.
        pair = self.shell_channel_thread.manager._main_to_shell_channel
        pair.from_socket = Replies(self.kernel.shell_stream, pair.from_socket.close)

    def _session_default(self) -> HostSession:
        return HostSession(parent=self)

    def _apply_curve_server_options(self, socket: zmq.Socket[Any]) -> None:
        socket.ipv6 = ":" in self.ip
        super()._apply_curve_server_options(socket)

    def _apply_curve_client_options(self, socket: zmq.Socket[Any]) -> None:
        socket.ipv6 = ":" in self.ip
        super()._apply_curve_client_options(socket)

    def _try_bind_socket(self, s: zmq.Socket[Any], port: int) -> int:
        if ":" not in self.ip:
            return int(super()._try_bind_socket(s, port))
        if port <= 0:
            return s.bind_to_random_port(f"tcp://[{self.ip}]")
        s.bind(f"tcp://[{self.ip}]:{port}")
        return port

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Make the IOPub socket and thread.

        Upstream: also opens a TCP port for forked children, and greets the first client only.
        """
        self.iopub_socket = self._shared(context, zmq.XPUB)
        self.iopub_socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.iopub_socket.linger = 1000
        self._apply_curve_server_options(self.iopub_socket)
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        self.iopub_thread = PubThread(self.iopub_socket, pipe=False, session=self.session)
        self.iopub_thread.sends_here = self._sends_here
        self.iopub_thread.start()
        # Make this thread's pipe to the IOPub thread now: a cell may use up all file descriptors
        # before it prints.
        self.iopub_thread.schedule(lambda: None)
        self.iopub_socket = self.iopub_thread.background_socket

    def _sends_here(self) -> bool:
        interrupter = self.owner.interrupter
        return bool(interrupter.here and interrupter.is_shielded)

    def init_heartbeat(self) -> None:
        """Start the heartbeat, and wait until its port is taken. Upstream: does not wait."""
        self.heartbeat = _BoundHeartbeat(
            zmq.Context(),
            (self.transport, self.ip, self.hb_port),
            curve_publickey=self.curve_publickey,
            curve_secretkey=self.curve_secretkey,
        )
        self.hb_port = self.heartbeat.port
        self.heartbeat.start()
        self.heartbeat.wait_bound()

    def init_io(self) -> None:
        """Replace ``sys.stdout`` and ``sys.stderr``.

        Upstream: replaces them without a way back, and monkey-patches ``faulthandler``.
        """
        import sys

        def stream(name: str) -> CellStream:
            return CellStream(
                self.session,
                self.iopub_thread,
                name,
                getattr(sys, name),
                self.owner.threads,
                echoes=self.owner.settings.echo,
            )

        self.owner.streams = (stream("stdout"), stream("stderr"))
        self.displayhook = ZMQDisplayHook(self.session, self.iopub_socket)
        sys.stdout, sys.stderr = self.owner.streams

    def reset_io(self) -> None:
        """Let the streams forward to the host's. Upstream: puts back ``sys.__stdout__`` instead."""
        for stream in self.owner.streams:
            stream.release()

    def close_all(self) -> None:
        """Close all that was made, also after a start that failed half-way."""
        for thread in (self.control_thread, self.shell_channel_thread):
            if thread is not None and thread.ident is None:
                thread.io_loop.close()
        if self.iopub_thread is None and self.iopub_socket is not None:
            self.iopub_socket.close(linger=0)
        self.close()

    def drain(self) -> None:
        """Wait until every pending reply and output has been handed to ZeroMQ."""
        for stream in self.owner.streams:
            stream.send()
        self._run_in_shell_channel(self._flush_replies)
        flushed = threading.Event()
        if self.iopub_thread.thread.is_alive():
            self.iopub_thread.schedule(flushed.set)
            flushed.wait(timeout=10)

    def _flush_replies(self) -> None:
        with self.shell_socket.lock:  # flush() also polls
            self.kernel.shell_stream.flush()

    def _run_in_shell_channel(self, function: Any) -> None:
        done = threading.Event()
        if not self.shell_channel_thread.is_alive():
            return

        def call() -> None:
            try:
                function()
            finally:
                done.set()

        self.shell_channel_thread.io_loop.add_callback(call)
        done.wait(timeout=10)

    def leave_loop(self) -> None:
        """Take the kernel's sockets off the loop of this thread.

        Upstream: the shell channel's thread does so at its end, which is fatal to Qt's loops.
        """
        if self.shell_channel_thread.is_alive():
            # Private: the pair on which that thread hands requests to this one.
            stream = self.shell_channel_thread.manager._shell_channel_to_main.to_stream
            stream.io_loop.remove_handler(stream.socket)

    def cancel_service_tasks(self) -> None:
        """Cancel the tasks that ipykernel leaves on its own loops; asyncio would complain."""
        services = (
            (self.control_thread, self.control_thread.io_loop),
            (self.iopub_thread.thread, self.iopub_thread.io_loop),
        )
        for thread, loop in services:
            if thread.is_alive():
                done = threading.Event()
                loop.add_callback(_cancel_tasks, done)
                done.wait(timeout=10)


async def _cancel_tasks(done: threading.Event) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    done.set()


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
