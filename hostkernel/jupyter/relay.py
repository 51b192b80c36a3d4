"""Outside: a process that stands in for an open kernel.

For clients that do not know provisioners: they start a kernelspec's command line, and expect a
kernel on the ports of the connection file that they wrote.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from functools import partial
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import zmq
import zmq.asyncio
from jupyter_client.session import DELIM, Session

from hostkernel import processes
from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, HostkernelError
from hostkernel.registry import RunningKernel, kernels

from .hold import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

__all__ = ["relay", "relayed_before"]

_NOTE = "hostkernel_relay"  # the key of the relayed kernel's id in the client's connection file
_LOOK = 0.5  # seconds between checks that kernel and client still live
_TOGETHER = 50  # milliseconds at most between a manager's interrupt and its shutdown request
_LINGER = 1000  # milliseconds for the last answers

_Frames = list[bytes]


def relay(kernel: RunningKernel, file: Path, client: int) -> str | None:
    """Answer on the ports of ``file`` for ``kernel``, until either side ends.

    On the main thread: SIGINT interrupts the kernel, SIGTERM ends the relay.

    Args:
        kernel: the kernel that the relay passes requests to.
        file: the client's connection file.
        client: the id of the process whose end also ends the relay.

    Returns:
        None if the client is done, else what has happened to the kernel.

    Raises:
        ConnectionFileError: the file cannot be used.
        RequestError: the kernel does not answer.
    """
    near = _usable(file)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(_Relay(kernel, near, client).run(file))


def relayed_before(file: Path) -> RunningKernel | None:
    """The kernel that an earlier relay on the same file stood in for, if it still runs.

    A client that restarts a kernel ends the relay and starts a new one: it gets the same kernel.
    """
    with suppress(ConnectionFileError):
        wanted = (ConnectionInfo.read(file).model_extra or {}).get(_NOTE)
        running = [each for each in kernels().kernels if each.state == "running"]
        return next((each for each in running if each.id == wanted), None)
    return None


def _usable(file: Path) -> ConnectionInfo:
    info = ConnectionInfo.read(file)
    if info.transport == "tcp" and not _is_loopback(info.ip):
        reason = f"a running kernel is relayed to this machine only, and {info.ip} is another's"
        raise ConnectionFileError(file, reason, "ip")
    return info


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class _Crossing:
    """Pass messages from one side to the other: check one key's signature, sign with the other."""

    def __init__(self, source: Session, target: Session) -> None:
        self._source = source
        self._target = target

    def open(self, frames: _Frames) -> tuple[_Frames, _Frames]:
        """Split a message into its identities, and its signature and parts.

        Raises:
            ValueError: this is not a message, or its signature is wrong.
        """
        identities, parts = self._source.feed_identities(frames)
        if len(parts) < 5 or not compare_digest(self._source.sign(parts[1:5]), parts[0]):
            raise ValueError("a message without a valid signature")
        return identities, parts

    def across(self, frames: _Frames) -> _Frames:
        """The frames for the other side; empty if they are not a valid message of this side."""
        try:
            identities, parts = self.open(frames)
        except ValueError:
            return []
        return [*identities, DELIM, self._target.sign(parts[1:5]), *parts[1:]]

    def kind(self, frames: _Frames) -> str:
        """A message's type, empty if it is not a valid message."""
        return str(self.read(frames)[1].get("msg_type", ""))

    def read(self, frames: _Frames) -> tuple[_Frames, dict[str, Any], dict[str, Any]]:
        """Identities, header and content; empty if this is not a valid message of this side."""
        try:
            identities, parts = self.open(frames)
            return identities, self._source.unpack(parts[1]), self._source.unpack(parts[4])
        except ValueError:
            return [], {}, {}


class _Relay:
    """One run of :func:`relay`."""

    def __init__(self, kernel: RunningKernel, near: ConnectionInfo, client: int) -> None:
        self._kernel = kernel
        self._near = near
        self._client = (client, processes.start_time(client))
        self._hold = Hold(kernel, ends=False)
        self._session = _session(near)
        far = _session(kernel.info)
        self._inward = _Crossing(self._session, far)
        self._outward = _Crossing(far, self._session)
        self._context = zmq.asyncio.Context()
        self._clients: dict[str, zmq.asyncio.Socket] = {}
        self._kernels: dict[str, zmq.asyncio.Socket] = {}
        self._tasks: list[asyncio.Task[None]] = []  # asyncio itself does not keep them
        self._ended: asyncio.Future[str | None]

    async def run(self, file: Path) -> str | None:
        self._ended = asyncio.get_running_loop().create_future()
        try:
            self._bind(file)
            self._connect()
            with self._signals():
                await self._hold.take()
                return await self._until_ended()
        finally:
            await self._hold.let_go()
            self._context.destroy(linger=_LINGER)

    async def _until_ended(self) -> str | None:
        ways = asyncio.gather(*self._ways())
        either: list[asyncio.Future[Any]] = [self._ended, ways]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._ended.done():
            await ways  # This raises: a way ends only by an error.
        ways.cancel()
        with suppress(asyncio.CancelledError):
            await ways
        return self._ended.result()

    def _end(self, reason: str | None = None) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    # Sockets

    def _bind(self, file: Path) -> None:
        """Listen on the client's ports, and note the kernel's id in the client's file."""
        kinds = {"iopub": zmq.XPUB}
        for channel, port in self._near.ports.items():
            socket = self._socket(kinds.get(channel, zmq.ROUTER), self._near)
            if channel == "iopub":
                socket.xpub_verbose = True  # so that each new client is greeted
            else:
                socket.router_handover = True
            if self._near.curve_secretkey is not None:
                socket.curve_server = True
            try:
                socket.bind(self._near.url(channel))
            except zmq.ZMQError as error:
                reason = f"cannot listen on port {port}: {error.strerror}"
                raise ConnectionFileError(file, reason, f"{channel}_port") from error
            self._clients[channel] = socket
        taken = {_NOTE: self._kernel.id}
        self._near.model_copy(update=taken).write(file)

    def _connect(self) -> None:
        info = self._kernel.info
        kinds = {"iopub": zmq.XSUB}
        for channel in info.ports:
            socket = self._socket(kinds.get(channel, zmq.DEALER), info)
            if info.curve_publickey is not None:
                socket.curve_serverkey = info.curve_publickey.encode()
            # The kernel sends an input request to the identity that the cell's request came from.
            socket.identity = self._session.bsession
            socket.connect(info.url(channel))
            self._kernels[channel] = socket

    def _socket(self, kind: int, info: ConnectionInfo) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        socket.ipv6 = ":" in info.ip
        socket.set_hwm(0)
        if info.curve_publickey is not None and info.curve_secretkey is not None:
            socket.curve_publickey = info.curve_publickey.encode()
            socket.curve_secretkey = info.curve_secretkey.get_secret_value().encode()
        return socket

    # Messages. Each client's identity travels with its requests and comes back with the answers.

    def _ways(self) -> Iterator[Coroutine[Any, Any, None]]:
        clients, kernels = self._clients, self._kernels
        yield self._requests()
        yield self._control()
        yield _pass(clients["stdin"], kernels["stdin"], self._inward.across)
        for channel in ("shell", "control", "stdin", "iopub"):
            yield _pass(kernels[channel], clients[channel], self._outward.across)
        yield _pass(clients["iopub"], kernels["iopub"])  # subscriptions
        yield _pass(clients["hb"], kernels["hb"])
        yield _pass(kernels["hb"], clients["hb"])
        yield self._watch()

    async def _requests(self) -> None:
        while True:
            await self._request("shell", await self._clients["shell"].recv_multipart())

    async def _control(self) -> None:
        socket = self._clients["control"]
        while True:
            frames = await socket.recv_multipart()
            # A manager that releases a kernel interrupts it first, even in another client's cell.
            if self._inward.kind(frames) == "interrupt_request" and await socket.poll(_TOGETHER):
                following = await socket.recv_multipart()
                if not self._is_farewell(following):
                    await self._request("control", frames)
                frames = following
            await self._request("control", frames)

    def _is_farewell(self, frames: _Frames) -> bool:
        _, header, content = self._inward.read(frames)
        return header.get("msg_type") == "shutdown_request" and not content.get("restart")

    async def _request(self, channel: str, frames: _Frames) -> None:
        if self._is_farewell(frames):
            identities, header, _ = self._inward.read(frames)
            content = {"status": "ok", "restart": False}
            self._session.send(
                self._clients[channel], "shutdown_reply", content, header, identities
            )
            self._end()
            return
        if self._inward.kind(frames) == "shutdown_request":
            self._begin(self._restart())
        if across := self._inward.across(frames):
            await self._kernels[channel].send_multipart(across)

    async def _restart(self) -> None:
        """Wait for the client's restart of the kernel, then end: the client starts a new relay."""
        with suppress(HostkernelError):
            await self._hold.renew(asked=True)
        self._end()

    # Ends

    async def _watch(self) -> None:
        pid, started = self._client
        while True:
            await asyncio.sleep(_LOOK)
            if not self._hold.is_alive:
                gone = "its kernel was stopped" if self._hold.host_is_alive else "it has ended"
                self._end(f"{self._kernel}: {gone}")
            if started is None or not processes.alive(pid, started):
                self._end()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        meanings: dict[str, Callable[[], object]] = {
            "SIGINT": lambda: self._begin(self._interrupt()),
            "SIGTERM": self._end,
            "SIGHUP": self._end,
        }
        before = {}
        for name, act in meanings.items():
            number = getattr(signal, name, None)
            if number is not None:
                before[number] = signal.signal(number, partial(_call_soon, loop, act))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _interrupt(self) -> None:
        with suppress(HostkernelError):
            await self._hold.interrupt()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))


def _call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], object], *_: object) -> None:
    loop.call_soon_threadsafe(act)


async def _pass(
    source: zmq.asyncio.Socket,
    target: zmq.asyncio.Socket,
    change: Callable[[_Frames], _Frames] = lambda frames: frames,
) -> None:
    while True:
        if changed := change(await source.recv_multipart()):
            await target.send_multipart(changed)


def _session(info: ConnectionInfo) -> Session:
    key = info.key.get_secret_value().encode()
    return Session(key=key, signature_scheme=info.signature_scheme)
