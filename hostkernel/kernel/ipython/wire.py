"""Messages from clients: which ones are refused, and how much is logged about them.

Anybody who reaches the ports may send anything. A malformed message is dropped where it comes
in, off the host's main thread, and does not fill the host's log.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections import deque
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from operator import is_
from typing import TYPE_CHECKING, Any

from jupyter_client.jsonutil import json_clean, json_default
from jupyter_client.session import DELIM, Session
from traitlets import Callable, Integer

from hostkernel.kernel.base.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import zmq

__all__ = ["HostSession", "Restraint", "asked", "check_history_request", "header_frame"]

_PATTERN_BYTES = 50_000  # the longest pattern that SQLite accepts
_INTEGER = 2**63  # the first integer that SQLite does not accept
_LATEST = 100  # replies that are remembered; a comm message may overtake a cell, little else can
_LONGEST = 1000  # characters of one sentence or traceback in the log

_pack = Session.pack.default_value
_encoder = json.JSONEncoder(default=json_default, ensure_ascii=False, allow_nan=False)


class _Packed(bytes):
    """A part of a message that is packed already."""


def pack(content: object) -> bytes:
    """Encode a part of a message as JSON, half a surrogate pair included.

    Upstream: fails at half a surrogate pair, which a client's text may well hold. It also makes
    an encoder for each part of a message, and many parts are empty.
    """
    if type(content) is dict and not content:
        return b"{}"
    if type(content) is _Packed:
        return content
    with suppress(TypeError, ValueError):
        return _encoder.encode(content).encode(errors="surrogateescape")
    # Outside of the ``with``: an error from here on must not have the first one as its context.
    with suppress(UnicodeEncodeError):
        cleaned: bytes = _pack(content)
        return cleaned
    return json.dumps(json_clean(content), default=json_default).encode()


asked: ContextVar[Sequence[bytes] | None] = ContextVar("asked", default=None)
"""The connection of the client that was asked for an answer, as its identities."""


class HostSession(Session):
    """Reads and writes messages, on all threads of the kernel."""

    pack = Callable(pack)
    # Copy all messages. Upstream: does not copy large ones; for these, pyzmq starts a thread that
    # never ends.
    copy_threshold = Integer(sys.maxsize)

    def __init__(self, **kwargs: Any) -> None:
        self._remembering = threading.Lock()
        self._answered: deque[str] = deque(maxlen=_LATEST)
        self._latest = _Latest()
        self._parent: tuple[object, object, _Packed] = (None, None, _Packed())
        super().__init__(**kwargs)

    def serialize(self, msg: dict[str, Any], ident: Any = None) -> list[bytes]:
        """Do what upstream does, but pack the header of a request once.

        Upstream: packs it again for each message that answers the request.
        """
        if msg["parent_header"] and self.pack is pack:  # a configuration may set another
            msg = msg | {"parent_header": self._packed(msg["parent_header"])}
        parts: list[bytes] = super().serialize(msg, ident)
        return parts

    def _packed(self, header: Mapping[str, Any]) -> _Packed:
        found, copy, packed = self._parent
        if found is not header or copy != header:
            packed = _Packed(pack(header))
            self._parent = (header, dict(header), packed)  # one assignment: atomic for all threads
        return packed

    def send(self, stream: Any, kind: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what upstream does, then note the request if the message is its reply."""
        sent = super().send(stream, kind, *args, **kwargs)
        if isinstance(kind, str) and kind.endswith("_reply"):
            self._answered.append(sent["parent_header"].get("msg_id"))
        return sent

    def has_answered(self, request: Mapping[str, Any]) -> bool:
        """Whether one of the latest replies answers this request."""
        return request["header"]["msg_id"] in self._answered

    def _add_digest(self, signature: bytes) -> None:
        # Do nothing; see _remember. Upstream: called before the signature is checked, so an
        # unauthenticated peer could evict genuine signatures, and send those messages again.
        pass

    def deserialize(
        self, msg_list: list[Any], content: bool = True, copy: bool = True
    ) -> dict[str, Any]:
        """Do what upstream does, but accept each genuine message once over all channels.

        Raises:
            ValueError: the message was read before, or its signature is wrong.
            Exception: anything else is wrong with the message.
        """
        known = self._latest.take(msg_list)
        if known is not None and not content:
            return known
        message: dict[str, Any] = super().deserialize(msg_list, content=content, copy=copy)
        if content and self.auth is not None:
            self._remember(msg_list[0] if copy else bytes(msg_list[0].bytes))
        return message

    def recv(self, socket: zmq.Socket[Any], *args: Any, **kwargs: Any) -> Any:
        """Receive a message; while a client is asked for an answer, drop those of other clients.

        Upstream: takes any client's answer, also one that was sent before the question.
        """
        who, message = super().recv(socket, *args, **kwargs)
        if asked.get() is not None and who != asked.get():
            return None, None
        return who, message

    def read_again(self, frames: Sequence[zmq.Frame]) -> tuple[Any, dict[str, Any]]:
        """The identities and the content of a message that has been accepted."""
        identities, parts = self.feed_identities(frames, copy=False)
        header, parent, metadata, content = (self.unpack(part.bytes) for part in parts[1:5])
        message = {"header": header, "parent_header": parent, "metadata": metadata}
        return identities, {**message, "content": content}

    def _remember(self, signature: bytes) -> None:
        with self._remembering:
            if signature in self.digest_history:
                message = f"Duplicate Signature: {signature!r}"
                raise ValueError(message)
            super()._add_digest(signature)

    def header(self, frames: Sequence[zmq.Frame]) -> Mapping[str, Any]:
        """The header of an incoming message, if the message is genuine and well-formed.

        Raises:
            Exception: anything is wrong with the message.
        """
        _, parts = self.feed_identities(frames, copy=False)
        message = self.deserialize(parts, content=False, copy=False)
        header: Mapping[str, Any] = message["header"]
        for name in ("msg_id", "msg_type"):
            _expect(name, header[name], str)
        if header.get("subshell_id") is not None:
            _expect("subshell_id", header["subshell_id"], str)
        for name in ("metadata", "parent_header"):
            _expect(name, message[name], dict)
        _encoder.encode(header)  # it must be encodable: each answer contains it
        self._latest.keep(parts, message)
        return header


class _Latest(threading.local):
    """The message whose header a thread read last, since ipykernel reads the message again."""

    _frames: Sequence[object] = ()
    _message: dict[str, Any] | None = None

    def keep(self, frames: Sequence[object], message: dict[str, Any]) -> None:
        """Keep the message that was read from these frames, which are immutable."""
        self._frames, self._message = frames, message

    def take(self, frames: Sequence[object]) -> dict[str, Any] | None:
        """Return the message that was read from these very frames, once; else None."""
        kept, message = self._frames, self._message
        self._frames, self._message = (), None
        return message if len(frames) == len(kept) and all(map(is_, frames, kept)) else None


def _expect(name: str, found: object, kind: type) -> None:
    if not isinstance(found, kind):
        message = f"{name} is a {type(found).__name__}, not a {kind.__name__}"
        raise TypeError(message)


def header_frame(frames: Sequence[zmq.Frame]) -> bytes | None:
    """The header of a message as bytes, which no other message has; None if there is none."""
    for place, frame in enumerate(frames[:-2]):
        if frame.bytes == DELIM:
            return bytes(frames[place + 2].bytes)
    return None


def check_history_request(which: Mapping[str, object]) -> None:
    """Check that SQLite would accept the values of a history request.

    Raises:
        ValueError: a number or a pattern is too large.
        TypeError: a value is not a number, or the pattern is not a string.
    """
    for name, found in which.items():
        if found is None or name == "unique":
            continue
        _expect(name, found, str if name == "pattern" else int)
        large = isinstance(found, int) and abs(found) >= _INTEGER
        if large or (isinstance(found, str) and len(found.encode()) > _PATTERN_BYTES):
            message = f"{name} is too large"
            raise ValueError(message)


class Restraint(logging.Filter):
    """Shortens and limits what ipykernel and comm log about messages they cannot serve.

    Args:
        loggers: names of the loggers to filter.
        count: how many records to let through within ``seconds``.
        seconds: the length of the period that ``count`` is for.
    """

    def __init__(self, *loggers: str, count: int = 20, seconds: float = 60.0) -> None:
        super().__init__()
        self._count = count
        self._seconds = seconds
        self._said = 0
        self._since = 0.0
        self._lock = threading.Lock()
        self._undo = ExitStack()
        for logger in map(logging.getLogger, loggers):
            logger.addFilter(self)
            self._undo.callback(logger.removeFilter, self)

    def close(self) -> None:
        """Let all records through again."""
        self._undo.close()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            now = monotonic()
            if now - self._since > self._seconds:
                self._since, self._said = now, 0
            self._said += 1
            if self._said > self._count:
                return False
            last = self._said == self._count
        _shorten(record)
        if last:
            record.msg += f" (more of this is left out for {self._seconds:g} s)"
        return True


def _shorten(record: logging.LogRecord) -> None:
    record.msg, record.args = _short(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = _short("".join(traceback.format_exception(*record.exc_info)).rstrip())
        record.exc_info = None


def _short(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} ... {text[-half:]}"
