"""Where printed text goes: a cell's to its client, the host's own to the host's console.

Text is the cell's if it is written in the context of a request, or by a thread, a task or a
callback that descends from a request. All other text is the host's.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ipykernel.iostream import OutStream
from jupyter_client.session import extract_header

from hostkernel.kernel.base.clock import monotonic
from hostkernel.kernel.base.context import request_header
from hostkernel.kernel.process.descriptors import DescriptorCopy
from hostkernel.kernel.process.threads import is_service_thread

from .naming import named_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jupyter_client.session import Session

    from hostkernel.kernel.process.forked_output import ForkedOutput
    from hostkernel.kernel.process.native import PastCapture
    from hostkernel.kernel.process.threads import Threads

    from .iopub import PubThread

__all__ = ["CellStream", "flush_replaced"]

_PACE = 0.1  # seconds between two flushes of one stream that an undisturbed cell waits for


@named_as(OutStream)
class CellStream(OutStream):
    """``sys.stdout`` or ``sys.stderr`` while the kernel runs.

    Code may keep the stream after that: it then forwards to the host's own stream forever.

    Args:
        host: the former ``sys.stdout`` or ``sys.stderr``, None included.
        threads: tells threads and callbacks of cells from the host's.
        echoes: whether to show what cells print in the host's console too.

    Attributes:
        past_capture: bypasses the capture of the host's file descriptor, if there is one.
        forked: takes what forked children of cells print.
    """

    forked: ForkedOutput | None = None

    past_capture: PastCapture | None = None
    _io_loop: Any
    _flush_pending: bool

    def __init__(
        self,
        session: Session,
        pub_thread: PubThread,
        name: str,
        host: Any,
        threads: Threads,
        *,
        echoes: bool = False,
    ) -> None:
        super().__init__(session, pub_thread, name, watchfd=False)
        self._parent_header = request_header
        self.host = host
        self._threads = threads
        self._echoes = echoes
        self._written = 0  # how often cells wrote
        self._sent = 0  # the value of _written at the last flush that was seen to end
        self._line_ended = False
        self._sent_at = 0.0
        self._timer: Any = None
        self._writer: Mapping[str, Any] = {}
        self._buffer_key: frozenset[tuple[str, Any]] = frozenset()
        self._copy: DescriptorCopy | None = None

    def __del__(self) -> None:
        """Leave the host's stream open.

        Upstream: a file object closes itself when it is garbage-collected.
        """

    def write(self, string: str) -> int | None:
        """Write to the client of the cell that prints, else to the host.

        Upstream does the same for a cell. Its code is repeated here because each call counts in
        a cell that prints a lot.
        """
        if not isinstance(string, str):
            message = f"write() argument must be str, not {type(string)}"
            raise TypeError(message)
        parent = request_header.get(None)
        if not parent or not self._is_here():
            return self._write_for_others(string)
        if self._echoes:
            self.show(string)
        if self.forked is not None and self.forked.has_children:
            self.forked.read()
        return self.write_for(parent, string)

    def write_for(self, parent: Mapping[str, Any], string: str) -> int:
        """Write to the client whose request has the header ``parent``, on any thread."""
        with self._buffer_lock:
            if parent is not self._writer:
                self._writer, self._buffer_key = parent, frozenset(parent.items())
            self._buffers[self._buffer_key].write(string)
            self._written += 1
        self._line_ended = string[-1:] == "\n"
        if not self._flush_pending or self.pub_thread.is_waited_for:
            self._schedule_flush()
        return len(string)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line; unlike upstream, also after the kernel has stopped."""
        for line in lines:
            self.write(line)

    def _write_for_others(self, string: str) -> int:
        parent = self._parent()
        if parent is None:
            return len(string) if self._sent_to_parent(string) else self._write_host(string)
        self.show(string)
        return self.write_for(parent, string)

    def _sent_to_parent(self, string: str) -> bool:
        """Send to the parent if this is a forked child of a cell; return whether it was sent."""
        if self.forked is None or self.pub_thread is None or os.getpid() == self._master_pid:
            return False
        header = self._threads.parent()
        if header is None or self.forked.send(self.name, header, string):
            return header is not None
        self.forked = None
        return False

    def _is_here(self) -> bool:
        # A forked child must not touch the parent's sockets.
        return self.pub_thread is not None and os.getpid() == self._master_pid

    def _parent(self) -> Mapping[str, Any] | None:
        return self._threads.parent() if self._is_here() else None

    def show(self, string: str) -> None:
        """Echo to the host's console what a client is sent, if ``kernel.echo`` is set."""
        if self._echoes:
            with suppress(Exception):  # A broken console is not the cell's fault.
                self._write_host(string)

    def _write_host(self, string: str) -> int:
        if self.host is not None and not self._written_past(string):
            self.host.write(string)
        return len(string)

    def _written_past(self, string: str) -> bool:
        past = self.past_capture
        if past is None or not self._is_here() or self._host_descriptor() != past.number:
            return False
        return past.write_past(string, getattr(self.host, "encoding", None) or "utf-8")

    def _host_descriptor(self) -> int | None:
        try:
            return self._host_fileno()
        except (OSError, ValueError):
            return None

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Name the request that output in this context belongs to."""
        request_header.set(extract_header(parent))

    def flush(self) -> None:
        """Send what cells wrote, for a cell or a kernel thread; else flush the host's stream."""
        if self._parent() is not None or is_service_thread():
            self.send()
        else:
            self.flush_host()

    def flush_host(self) -> None:
        """Flush the host's stream, which may belong to its main thread."""
        if self.host is not None:
            with suppress(OSError, ValueError):  # A closed console must not stop the kernel.
                getattr(self.host, "flush", lambda: None)()

    def send(self) -> None:
        """Send what cells wrote.

        Upstream: waits for the IOPub thread even if there is nothing to send, four times a cell.
        That is a third of a short cell's time.
        """
        written = self._written
        if written != self._sent:
            if self.pub_thread is not None and self.pub_thread.is_waited_for:
                self.pub_thread.schedule(self._flush)
            else:
                super().flush()
            # Not before: another thread, or this one after an interrupt, would go on too early.
            self._sent = written

    def _schedule_flush(self) -> None:
        """Flush an undisturbed cell's output now, at the end of a line, or set a timer for it.

        Upstream: the IOPub thread wakes up a while later, whatever runs then.
        """
        if not self.pub_thread.is_waited_for:
            super()._schedule_flush()
        elif self._line_ended and monotonic() - self._sent_at > _PACE:
            self.pub_thread.schedule(self._flush)
        elif not self._flush_pending:
            # If nothing more is written, the text must be shown nevertheless.
            self._flush_pending = True
            self.pub_thread.schedule(self._start_timer)

    def _start_timer(self) -> None:
        self._timer = self._io_loop.call_later(self.flush_interval, self._flush)

    def _flush(self) -> None:
        """Do what upstream does, and remove the timer that would do it again."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._io_loop.remove_timeout(timer)
        self._sent_at = monotonic()
        super()._flush()

    def close(self) -> None:
        """Flush for a cell, whose later output must not be lost; else close the host's stream."""
        if self._parent() is not None:
            self.send()
        elif self.host is not None:
            self.host.close()

    @property
    def closed(self) -> bool:
        """Whether the host's stream is closed; always False for a cell, see :meth:`close`."""
        return self._parent() is None and bool(getattr(self.host, "closed", False))

    def release(self) -> None:
        """Release the kernel; from now on all text is the host's."""
        super().close()
        self._let_go_of_copy()
        self.session = self._io_loop = self.forked = None

    def fileno(self) -> int:
        """The host's file descriptor; for a cell a copy of it, as upstream.

        So a cell that redirects or closes the descriptor of its ``sys.stdout`` leaves the host's
        alone.

        Raises:
            UnsupportedOperation: the host's stream has no file descriptor.
        """
        if self._parent() is None:
            return self._host_fileno()
        host = self._host_fileno()
        if self._copy is None or not self._copy.leads_where(host):
            self._let_go_of_copy()
            self._copy = DescriptorCopy(host)
        return self._copy.number

    def _let_go_of_copy(self) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.close()

    def _host_fileno(self) -> int:
        fileno = getattr(self.host, "fileno", None)
        if fileno is None:
            message = "fileno"
            raise io.UnsupportedOperation(message)
        return int(fileno())

    @property
    def buffer(self) -> Any:
        """The stream for bytes: for a cell one that writes to its client, else the host's."""
        if self._parent() is None:
            return self.host.buffer
        return self._client_buffer

    @cached_property
    def _client_buffer(self) -> _ClientBuffer:
        return _ClientBuffer(self)

    def __getattr__(self, name: str) -> Any:
        # An application may use attributes of its stream that Jupyter's stream lacks. A cell may
        # not: what it changes in the host's stream, such as the encoding, would stay changed.
        if name.startswith("_") or "host" not in self.__dict__ or self._parent() is not None:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(self.host, name)

    @contextmanager
    def in_front_of(self, found: Any) -> Iterator[None]:
        """Forward to ``found``, the host's stream in ``sys``, while a step of the session runs."""
        outer, self.host = self.host, found
        try:
            yield
        finally:
            self.send()  # nothing else does if ``sys`` has another stream
            self.host = outer


def flush_replaced(streams: Iterable[CellStream], parent: Mapping[str, Any]) -> None:
    """Flush what a cell has put in place of its streams, such as a buffer around them.

    A stock kernel does so after each cell. An error there is the cell's own problem.
    """
    for stream in streams:
        found: Any = getattr(sys, stream.name, None)
        if found is not stream:
            token = request_header.set(parent)  # it is not set around a callback
            with suppress(Exception):
                found.flush()
            request_header.reset(token)


class _ClientBuffer(io.BufferedIOBase):
    """``sys.stdout.buffer`` in a cell: bytes become text. It cannot be closed."""

    def __init__(self, stream: CellStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.name = f"<{stream.name}>"
        self.mode = "wb"

    def __del__(self) -> None:
        """Stay open; see the class."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._stream.write(self._decoder.decode(bytes(data)))
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.flush()
