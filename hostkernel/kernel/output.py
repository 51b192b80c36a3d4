"""Where printed text goes: a cell's to its client, the host's own to the host's console.

Which is which: text written in the context of a cell (its own code, tasks it started), or by
a thread that began while a cell ran, is the cell's. All else is the host's.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from ipykernel.iostream import OutStream
from jupyter_client.session import extract_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jupyter_client.session import Session

    from .publishing import PubThread

__all__ = ["CellStream", "Threads"]

_PACE = 0.1  # seconds between two such waits of one stream


class Threads:
    """Tells the threads that cells started from the host's own."""

    def __init__(self) -> None:
        self._hosts: WeakSet[threading.Thread] = WeakSet(threading.enumerate())
        self._cells: WeakKeyDictionary[threading.Thread, dict[str, Any]] = WeakKeyDictionary()
        self._running: dict[str, Any] | None = None

    @contextmanager
    def cell(self, parent: dict[str, Any]) -> Iterator[None]:
        """A cell runs: threads that appear meanwhile are its own.

        Args:
            parent: the header of the request, which its output must name.
        """
        self._sort(None)
        self._running = parent
        try:
            yield
        finally:
            self._running = None
            self._sort(parent)

    def _sort(self, parent: dict[str, Any] | None) -> None:
        for thread in threading.enumerate():
            if thread in self._hosts or thread in self._cells:
                continue
            if parent is None:
                self._hosts.add(thread)
            else:
                self._cells[thread] = parent

    def of_cells(self) -> list[threading.Thread]:
        """The living threads that cells have started. Any thread."""
        threads = [each for each in threading.enumerate() if each not in self._hosts]
        return [each for each in threads if each in self._cells or self._running is not None]

    def parent(self) -> Mapping[str, Any] | None:
        """The header of the cell that the calling thread belongs to, None for the host's."""
        thread = threading.current_thread()
        if thread in self._hosts:
            return None
        return self._cells.get(thread, self._running)


def _is_service_thread() -> bool:
    # ipykernel's own threads, which flush after each message. A host's stream may belong to
    # its main thread, so that they must keep away from it.
    return hasattr(threading.current_thread(), "pydev_do_not_trace")


class PastCapture(Protocol):
    """See :class:`~hostkernel.kernel.native.NativeOutput`."""

    number: int

    def write_past(self, text: str, encoding: str) -> bool:
        """Write to where the descriptor ``number`` led; False if nothing captures it now."""


class CellStream(OutStream):
    """``sys.stdout`` or ``sys.stderr`` while the kernel runs.

    Somebody may keep it beyond that: it then forwards to the host's own stream for ever.

    Args:
        host: what ``sys.stdout`` or ``sys.stderr`` was, None included.
        threads: who is who.
        echoes: show what cells print in the host's console too.

    Attributes:
        past_capture: writes around what captures the host's descriptor, if something does.
    """

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
        self.host = host
        self._threads = threads
        self._echoes = echoes
        self._written = 0  # how often cells wrote
        self._sent = 0  # that value at the last flush whose end was seen
        self._line_ended = False
        self._sent_at = 0.0
        self._timer: Any = None
        self._writer: Mapping[str, Any] = {}
        self._buffer: frozenset[tuple[str, Any]] = frozenset()

    def write(self, string: str) -> int | None:
        """Write to the client of the cell that prints, else to the host.

        Original: does the same for a cell. It is written out here, as in a cell that prints a
        lot each call counts.
        """
        parent = self._parent_header.get(None)
        if not parent or not self._is_here():
            return self._write_for_others(string)
        if self._echoes:
            self.show(string)
        return self.write_for(parent, string)

    def write_for(self, parent: Mapping[str, Any], string: str) -> int:
        """Write to the client whose request has the header ``parent``. Any thread."""
        with self._buffer_lock:
            if parent is not self._writer:
                self._writer, self._buffer = parent, frozenset(parent.items())
            self._buffers[self._buffer].write(string)
            self._written += 1
        self._line_ended = string[-1:] == "\n"
        if not self._flush_pending or self.pub_thread.is_waited_for:
            self._schedule_flush()
        return len(string)

    def _write_for_others(self, string: str) -> int:
        if not isinstance(string, str):
            message = f"write() argument must be str, not {type(string).__name__}"
            raise TypeError(message)
        parent = self._parent()
        if parent is None:
            return self._write_host(string)
        self.show(string)
        return self.write_for(parent, string)

    def _is_here(self) -> bool:
        # A forked child must not touch the parent's sockets.
        return self.pub_thread is not None and os.getpid() == self._master_pid

    def _parent(self) -> Mapping[str, Any] | None:
        if not self._is_here():
            return None
        return self._parent_header.get(None) or self._threads.parent()

    def show(self, string: str) -> None:
        """Show in the host's console what a client is sent, if that is wished."""
        if self._echoes:
            with suppress(Exception):  # A broken console is no fault of the cell's.
                self._write_host(string)

    def _write_host(self, string: str) -> int:
        if self.host is not None and not self._written_past(string):
            self.host.write(string)
        return len(string)

    def _written_past(self, string: str) -> bool:
        past = self.past_capture
        if past is None or self._host_descriptor() != past.number:
            return False
        return past.write_past(string, getattr(self.host, "encoding", None) or "utf-8")

    def _host_descriptor(self) -> int | None:
        try:
            return self.fileno()
        except (OSError, ValueError):
            return None

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Name the request that output in this context belongs to."""
        self._parent_header.set(extract_header(parent))

    def flush(self) -> None:
        """Send what cells wrote, or flush the host's stream, each for its own."""
        if self._parent() is not None or _is_service_thread():
            self.send()
        else:
            self.flush_host()

    def flush_host(self) -> None:
        """Flush the host's stream, which may belong to its main thread."""
        if self.host is not None:
            with suppress(OSError, ValueError):  # A console that is gone keeps no kernel down.
                getattr(self.host, "flush", lambda: None)()

    def send(self) -> None:
        """Send what cells wrote.

        Original: waits for the sending thread even if there is nothing, four times a cell. That
        is a third of a short cell's time.
        """
        written = self._written
        if written != self._sent:
            if self.pub_thread is not None and self.pub_thread.is_waited_for:
                self.pub_thread.schedule(self._flush)
            else:
                super().flush()
            # Not before: another thread, or this one behind an interrupt, would go on too early.
            self._sent = written

    def _schedule_flush(self) -> None:
        """Original: the sending thread wakes up a while later, whatever runs then."""
        if not self.pub_thread.is_waited_for:
            super()._schedule_flush()
        elif self._line_ended and time.monotonic() - self._sent_at > _PACE:
            self.pub_thread.schedule(self._flush)
        elif not self._flush_pending:
            # Should nothing more be written, it is to be seen all the same.
            self._flush_pending = True
            self.pub_thread.schedule(self._start_timer)

    def _start_timer(self) -> None:
        self._timer = self._io_loop.call_later(self.flush_interval, self._flush)

    def _flush(self) -> None:
        """Original; and no timer is left that would do it again."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._io_loop.remove_timeout(timer)
        self._sent_at = time.monotonic()
        super()._flush()

    def close(self) -> None:
        """Let go of the kernel; from now on everything is the host's."""
        super().close()
        self.session = self._io_loop = None

    @property
    def closed(self) -> bool:
        """Never of its own accord, see the class."""
        return bool(getattr(self.host, "closed", False))

    def fileno(self) -> int:
        """The host's descriptor, for what writes below Python; UnsupportedOperation if none."""
        fileno = getattr(self.host, "fileno", None)
        if fileno is None:
            message = "fileno"
            raise io.UnsupportedOperation(message)
        return int(fileno())

    def __getattr__(self, name: str) -> Any:
        # Only what OutStream lacks, such as ``buffer``: an application may expect more of its
        # stream than Jupyter's has.
        if name.startswith("_") or "host" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.host, name)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """A cell runs: ``sys`` has this stream, even where the host has put in another."""
        found = getattr(sys, self.name)
        if found is self:
            yield
            return
        setattr(sys, self.name, self)
        outer, self.host = self.host, found
        try:
            yield
        finally:
            self.send()  # nobody else does, where it is not sys's
            self.host = outer
            if getattr(sys, self.name) is self:
                setattr(sys, self.name, found)
