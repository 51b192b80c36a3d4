"""What forked children of cells print: sent to this process, and from here to the cell's client.

A child must not touch its parent's sockets. The parent reads the pipe before it writes itself,
so that the output keeps the order in which it was written. Upstream: opens a TCP port for the
output; a pipe needs no port, and nobody else can write to a pipe.
"""

from __future__ import annotations

import json
import os
import select
import threading
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ForkedOutput"]

# Characters in a line. A line is one write, which is atomic up to PIPE_BUF (4096 bytes on Linux,
# pipe(7)): JSON may take six bytes for a character, and the header takes some 300.
_CHUNK = 512
_READ = 1 << 20
_PATIENCE = 1.0  # seconds that a child waits for room in the pipe


class ForkedOutput:
    """The pipe from forked children to this process. Made only where children can be forked.

    Args:
        write: called in this process with the name of a stream, the header of the request that
            the child descends from, and the text.

    Attributes:
        has_children: whether this process has forked a child.
    """

    def __init__(self, write: Callable[[str, Mapping[str, Any], str], object]) -> None:
        self.has_children = False
        self._write = write
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._rest = b""
        self._reading = threading.Lock()
        _open.add(self)
        _notice_forks()

    def fileno(self) -> int:
        """The descriptor that is readable when a child has printed."""
        return self._reader

    def send(self, name: str, header: Mapping[str, Any], text: str) -> bool:
        """Print ``text`` in the child; return False if the parent does not take it."""
        try:
            for start in range(0, len(text), _CHUNK):
                part = [name, dict(header), text[start : start + _CHUNK]]
                self._put(json.dumps(part, default=str).encode() + b"\n")
        except OSError:
            return False
        return True

    def _put(self, line: bytes) -> None:
        try:
            os.write(self._writer, line)
        except BlockingIOError:
            select.select([], [self._writer], [], _PATIENCE)
            os.write(self._writer, line)

    def read(self, *_: object) -> None:
        """Pass on what children have printed, in this process. Any thread."""
        with self._reading:
            try:
                data = self._rest + os.read(self._reader, _READ)
            except OSError:
                return
            *lines, self._rest = data.split(b"\n")
            for line in lines:
                self._write(*json.loads(line))

    def close(self) -> None:
        """Close the pipe; what a child prints from now on goes to the host's console."""
        self.read()
        _open.discard(self)
        os.close(self._writer)
        os.close(self._reader)


_open: WeakSet[ForkedOutput] = WeakSet()


@cache  # once: the registration cannot be taken back
def _notice_forks() -> None:
    def note() -> None:
        for output in tuple(_open):
            output.has_children = True

    os.register_at_fork(after_in_parent=note)
