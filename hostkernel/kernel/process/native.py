"""Output that is written below Python while a cell runs: by C code, and by the cell's children.

File descriptors 1 and 2 lead to unlinked files while a step of a cell runs, and to their usual
targets at all other times. What is written to the files is copied to the cell's client and to
the usual targets, so that the host loses nothing. Rejected: pipes. C code that fills a pipe
while it holds the GIL would wait for ever for the reader.
"""

from __future__ import annotations

import codecs
import ctypes
import os
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["NativeOutput", "PastCapture"]

_DESCRIPTORS = {"stdout": 1, "stderr": 2}
_EVERY = 0.1  # seconds between two looks at the files while a cell runs
_ENOUGH = 16 << 20  # bytes after which a file that has been read is emptied
_CHUNK = 1 << 20


class PastCapture(Protocol):
    """Writes around what captures the host's descriptor."""

    number: int

    def write_past(self, text: str, encoding: str) -> bool:
        """Write to the usual target of the descriptor; return False if nothing captures it now."""


class Stream(Protocol):
    """Sends output from below Python to the client.

    Attributes:
        name: ``stdout`` or ``stderr``.
        past_capture: set while something captures the host's descriptor.
    """

    name: str
    past_capture: PastCapture | None

    def write_for(self, parent: Mapping[str, Any], string: str, /) -> int:
        """Write to the client whose request has the header ``parent``."""

    def flush_host(self) -> None:
        """Flush the host's own stream."""


class _Descriptor:
    """Descriptor 1 or 2, and the file that it leads to while :meth:`capturing`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.number = _DESCRIPTORS[stream.name]
        self._file: IO[bytes] = tempfile.TemporaryFile("w+b", buffering=0)  # noqa: SIM115
        # Children may write at the same time: each write goes to the end.
        _append(self._file.fileno())
        self._read = 0
        self._console: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @contextmanager
    def capturing(self) -> Iterator[None]:
        try:
            self._console = os.dup(self.number)
        except OSError:  # An application without a console has no such descriptor.
            self._console = None
        os.dup2(self._file.fileno(), self.number)
        try:
            yield
        finally:
            if self._console is None:
                os.close(self.number)
            else:
                os.dup2(self._console, self.number)

    def put_away(self) -> None:
        """Clean up after a step whose output has been forwarded."""
        console, self._console = self._console, None
        if console is not None:
            os.close(console)
        if self._read >= _ENOUGH and self._read == os.fstat(self._file.fileno()).st_size:
            self._file.truncate(0)
            self._read = 0

    def forward(self, parent: dict[str, Any]) -> None:
        """Copy new output to the console and to the client."""
        while data := os.pread(self._file.fileno(), _CHUNK, self._read):
            self._read += len(data)
            self._to_console(data)
            self._stream.write_for(parent, self._decoder.decode(data))

    def _to_console(self, data: bytes) -> None:
        with suppress(OSError):
            while data and self._console is not None:
                data = data[os.write(self._console, data) :]

    def write_past(self, text: str, encoding: str) -> bool:
        """Write output that is not the cell's to the console; return False if not capturing."""
        if self._console is None:
            return False
        self._to_console(text.encode(encoding, "replace"))
        return True

    def close(self) -> None:
        self._file.close()


class NativeOutput:
    """Forwards output from below Python, as the module describes.

    All methods are called on the kernel's thread; another thread may do the copying.

    Args:
        streams: send the output to the client.
        live: forward also while a step runs, from another thread.
    """

    def __init__(self, streams: Sequence[Stream], *, live: bool) -> None:
        self._descriptors = [_Descriptor(stream) for stream in streams]
        for stream, descriptor in zip(streams, self._descriptors, strict=True):
            stream.past_capture = descriptor
        self._streams = streams
        self._libc = ctypes.CDLL(None)
        self._parent: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hostkernel output", daemon=True)
        self._thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
        if live:
            self._thread.start()

    @contextmanager
    def forwarded(self, parent: dict[str, Any]) -> Iterator[None]:
        """Capture while a step of a cell runs whose request has the header ``parent``."""
        if self._parent is not None:  # A cell inside a cell.
            yield
            return
        for stream in self._streams:  # What is still in buffers is the host's.
            stream.flush_host()
        self._libc.fflush(None)
        try:
            with ExitStack() as stack:
                for descriptor in self._descriptors:
                    stack.enter_context(descriptor.capturing())
                self._parent = parent
                self._running.set()
                try:
                    yield
                finally:
                    self._libc.fflush(None)
        finally:
            self._running.clear()
            with self._lock:
                self._forward()
                self._parent = None
                for descriptor in self._descriptors:
                    descriptor.put_away()

    def _watch(self) -> None:
        while not self._closing.is_set():
            self._running.wait()
            self._closing.wait(_EVERY)
            with self._lock:
                self._forward()

    def _forward(self) -> None:
        if self._parent is not None:
            for descriptor in self._descriptors:
                descriptor.forward(self._parent)

    def close(self) -> None:
        """Stop forwarding; what children write from now on is lost."""
        for stream in self._streams:
            stream.past_capture = None
        self._closing.set()
        self._running.set()
        if self._thread.ident is not None:
            self._thread.join()
        for descriptor in self._descriptors:
            descriptor.close()


def _append(descriptor: int) -> None:
    import fcntl

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
