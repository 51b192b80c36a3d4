"""A kernel's sockets as somebody sees them who does not use a Jupyter client."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.world import World

CHANNELS = ("shell", "control", "stdin", "iopub", "hb")
_KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "hb": zmq.REQ}
SILENCE = 500  # milliseconds without an answer; a late one changes no verdict on what was run


def connection(world: World) -> ConnectionInfo:
    [file] = world.runtime.glob("kernel-*.json")
    return ConnectionInfo.read(file)


def session(info: ConnectionInfo, key: str | None = None) -> Session:
    return Session(key=(info.key.get_secret_value() if key is None else key).encode())


class Door:
    """One socket to one channel of a kernel; ``curve`` are CURVE options."""

    def __init__(self, info: ConnectionInfo, channel: str, **curve: bytes) -> None:
        self._context = zmq.Context()
        self.socket: zmq.Socket[bytes] = self._context.socket(_KINDS.get(channel, zmq.SUB))
        self.socket.linger = 0
        for option, key in curve.items():
            setattr(self.socket, option, key)
        if channel == "iopub":
            self.socket.subscribe(b"")
        self.socket.connect(info.url(channel))

    def send(self, frames: Sequence[bytes]) -> None:
        """Send, or raise ``zmq.Again`` where the kernel has already closed the door."""
        self.socket.send_multipart(frames, zmq.NOBLOCK)

    def hears(self, milliseconds: int = SILENCE) -> bool:
        """Whether anything comes."""
        return bool(self.socket.poll(milliseconds))

    def close(self) -> None:
        self._context.destroy(linger=0)


@contextmanager
def door(info: ConnectionInfo, channel: str, **curve: bytes) -> Iterator[Door]:
    opened = Door(info, channel, **curve)
    try:
        yield opened
    finally:
        opened.close()


def request(using: Session, kind: str, **content: Any) -> list[bytes]:
    """A signed message, as frames."""
    frames: list[bytes] = using.serialize(using.msg(kind, content))
    return frames


def execute(using: Session, code: str) -> list[bytes]:
    return request(using, "execute_request", code=code, silent=False, allow_stdin=False)


class Sniffer:
    """Passes a kernel's traffic on, and keeps every byte of it."""

    def __init__(self, info: ConnectionInfo) -> None:
        self.seen = bytearray()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._over = False
        ports = {f"{name}_port": self._listen(port) for name, port in info.ports.items()}
        self.info = info.model_copy(update=ports)

    def _listen(self, port: int) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        self._open.append(server)
        self._run(self._accept, server, port)
        return int(server.getsockname()[1])

    def _run(self, function: Any, *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, server: socket.socket, port: int) -> None:
        with suppress(OSError):
            while not self._over:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", port))
                self._open += near, far
                self._run(self._pass_on, near, far)
                self._run(self._pass_on, far, near)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.seen += data
                target.sendall(data)

    def close(self) -> None:
        self._over = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(timeout=10)
            assert not thread.is_alive()


def in_clear(info: ConnectionInfo) -> dict[str, Any]:
    """What a client gets that knows everything but the CURVE keys."""
    content: dict[str, Any] = json.loads(info.to_json(reveal=True))
    return {name: content[name] for name in content if not name.startswith("curve_")}
