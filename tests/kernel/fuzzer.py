"""Sends a kernel what no honest client would: ``python fuzzer.py FILE SEED COUNT MARKER SENT``.

Run in processes of their own, several at once; the same seed sends the same messages. Cells in
malformed messages would write the file MARKER. In the file SENT is a genuine message that was
served, in hexadecimal.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import DELIM

if TYPE_CHECKING:
    from collections.abc import Callable

Frames = list[bytes]
Made = tuple[str, Frames]
"""What a message is made for: the channel, and what is sent there."""

ANYTHING: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, float("nan"), "", "x", "\0", "\ud800", "\\x", "../.."),
    *([], [[]], [1, "a"], {}, {"a": {"b": []}}, "2020-99-99T99:99:99", "9" * 5000),
)
REQUESTS = (
    *("execute_request", "complete_request", "inspect_request", "history_request"),
    *("is_complete_request", "comm_info_request", "kernel_info_request", "connect_request"),
    *("comm_open", "comm_msg", "comm_close", "interrupt_request", "usage_request"),
    *("create_subshell_request", "delete_subshell_request", "list_subshell_request"),
    *("hostkernel_request", "input_reply", "debug_request"),
)
CHANNELS = ("shell", "shell", "control", "control", "stdin", "hb", "iopub")
FIELDS = (
    *("code", "cursor_pos", "detail_level", "silent", "store_history", "user_expressions"),
    *("allow_stdin", "stop_on_error", "hist_access_type", "output", "raw", "session", "start"),
    *("stop", "n", "pattern", "unique", "comm_id", "target_name", "data", "subshell_id", "value"),
    *("holder", "command", "seq", "arguments", "omit_sections"),
)


class Fuzzer:
    """Makes messages, one kind as often as another."""

    def __init__(self, client: BlockingKernelClient, seed: int, marker: str, sent: Frames) -> None:
        self.random = random.Random(seed)
        self.session = client.session
        self.code = f"open({marker!r}, 'a').write('executed')"
        self.kinds: tuple[Callable[[], Frames], ...] = (
            self.noise,
            self.without_delimiter,
            self.wrongly_signed,
            self.unsigned,
            self.truncated,
            self.huge,
            self.no_json,
            self.odd_header,
            self.odd_content,
            self.odd_content,
            self.unknown_type,
            self.twice_the_same,
            self.replayed,
        )
        self._sent = sent
        self._again: Frames = []

    def message(self, kind: str = "", **content: Any) -> dict[str, Any]:
        kind = kind or self.random.choice(REQUESTS)
        content = content or {"code": self.code, "silent": False}
        message: dict[str, Any] = self.session.msg(kind, content)
        return message

    def sealed(self, *parts: bytes) -> Frames:
        """Signed with the right key."""
        return [DELIM, self.session.sign(list(parts)), *parts]

    def packed(self, message: dict[str, Any]) -> Frames:
        names = ("header", "parent_header", "metadata", "content")
        return [json.dumps(message[name], default=str).encode() for name in names]

    def anything(self) -> Any:
        return self.random.choice(ANYTHING)

    # What is wrong

    def noise(self) -> Frames:
        sizes = (self.random.choice((0, 1, 5, 32, 300)) for _ in range(self.random.randint(1, 9)))
        return [self.random.randbytes(size) for size in sizes]

    def without_delimiter(self) -> Frames:
        return self.sealed(*self.packed(self.message()))[1:]

    def wrongly_signed(self) -> Frames:
        frames = self.sealed(*self.packed(self.message("execute_request")))
        frames[1] = self.random.choice((b"x", b"0" * 64, frames[1][:-1], b"\xff" * 64))
        return frames

    def unsigned(self) -> Frames:
        return [DELIM, b"", *self.packed(self.message("execute_request"))]

    def truncated(self) -> Frames:
        frames = self.sealed(*self.packed(self.message("execute_request")))
        return frames[: self.random.randint(1, len(frames) - 1)]

    def huge(self) -> Frames:
        # Large ones are rare, so that the whole takes no minutes; also thousands of parts.
        if self.random.random() < 0.9:
            return [*self.random.choices((b"", b"part"), k=200), *self.wrongly_signed()]
        frames = self.wrongly_signed()
        return [*frames, b"\0" * self.random.choice((10**5, 10**6, 10**7))]

    def no_json(self) -> Frames:
        parts = self.packed(self.message("execute_request"))
        broken = (b"", b"{", b"[" * 2000, b"\xff\xfe", parts[3][:-2], b"null", b"NaN")
        parts[self.random.randrange(4)] = self.random.choice(broken)
        return self.sealed(*parts)

    def odd_header(self) -> Frames:
        message = self.message("execute_request")
        place = self.random.choice(("header", "header", "parent_header", "metadata"))
        if self.random.random() < 0.3:
            message[place] = self.anything()
        else:
            name = self.random.choice(("msg_id", "msg_type", "session", "date", "subshell_id"))
            message[place][name] = self.anything()
        # It may be odd in a way that does no harm, and must not do any then either.
        message["content"] = {"code": "1"}
        return self.sealed(*self.packed(message))

    def odd_content(self) -> Frames:
        message = self.message(self.random.choice(REQUESTS))
        names = self.random.sample(FIELDS, self.random.randint(0, 6))
        content = {name: self.anything() for name in names}
        message["content"] = content if self.random.random() < 0.9 else self.anything()
        if message["msg_type"] == "history_request":
            message["content"] = self.history()
        return self.sealed(*self.packed(message))

    def history(self) -> dict[str, Any]:
        kind = self.random.choice(("tail", "range", "search"))
        names = ("session", "start", "stop", "n", "pattern", "unique")
        content = {name: self.anything() for name in self.random.sample(names, 3)}
        return {"hist_access_type": kind, "output": False, "raw": True, **content}

    def unknown_type(self) -> Frames:
        kind = self.random.choice(("", "x", "execute_reply", "__init__", "do_execute", "start"))
        return self.sealed(*self.packed(self.message(kind or "no_request")))

    def twice_the_same(self) -> Frames:
        if not self._again or self.random.random() < 0.1:
            self._again = self.sealed(*self.packed(self.message("kernel_info_request")))
        return self._again

    def replayed(self) -> Frames:
        return self._sent

    def subscription(self) -> Frames:
        """What a subscriber may send to iopub."""
        first = self.random.choice((b"\0", b"\1", b"\2", b""))
        return [first + self.random.randbytes(self.random.choice((0, 0, 1, 20)))]


class Sockets:
    """Connections to all channels, made anew now and then, with odd identities."""

    def __init__(self, client: BlockingKernelClient, chooser: random.Random) -> None:
        self._client = client
        self._random = chooser
        self._context: zmq.Context[Any] = zmq.Context()
        self._open: dict[str, zmq.Socket[Any]] = {}

    def send(self, channel: str, frames: Frames) -> bool:
        """Whether it could be sent: stdin takes a few and no more, as nobody reads them."""
        if self._random.random() < 0.005:
            self.close()
        if channel not in self._open:
            self._open[channel] = self._connected(channel)
        socket = self._open[channel]
        while socket.get(zmq.EVENTS) & zmq.POLLIN and self._random.random() < 0.5:
            socket.recv_multipart()
        try:
            socket.send_multipart(frames, zmq.DONTWAIT if channel == "stdin" else 0)
        except zmq.Again:
            return False
        return True

    def _connected(self, channel: str) -> zmq.Socket[Any]:
        kind = {"iopub": zmq.XSUB, "hb": zmq.DEALER}.get(channel, zmq.DEALER)
        socket = self._context.socket(kind)
        socket.linger = 2000
        if kind == zmq.DEALER and self._random.random() < 0.5:
            # Never the same twice: of two that live at once, libzmq keeps the older one's
            # descriptor for ever.
            odd = self._random.choice((b"", b"<IDS|MSG>", b"\xff\xfe", b"x" * 247))
            socket.routing_id = odd + self._random.randbytes(8)
        socket.connect(self._client._make_url(channel))
        return socket

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def end(self) -> None:
        """Close, once all of it has been sent."""
        self.close()
        self._context.term()


def main() -> None:
    file, seed, count, marker, sent = sys.argv[1:]
    client = BlockingKernelClient(connection_file=file)
    client.load_connection_file()
    frames = [bytes.fromhex(part) for part in Path(sent).read_text().split("\n")]
    fuzzer = Fuzzer(client, int(seed), marker, frames)
    sockets = Sockets(client, fuzzer.random)
    left = int(count)
    while left:
        channel = fuzzer.random.choice(CHANNELS)
        kind = fuzzer.subscription if channel == "iopub" else fuzzer.random.choice(fuzzer.kinds)
        left -= sockets.send(channel, kind())
    sockets.end()


if __name__ == "__main__":
    main()
