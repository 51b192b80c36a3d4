"""Outside: a host in a process of its own, its output, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .report import Process

__all__ = ["Child", "describe_status"]

_TAIL = 50
_LONGEST = 4096
_LINE_END = re.compile(rb"\r?\n|\r")  # a progress display may never print a newline
_PATIENCE = 5.0  # seconds between asking a process to end and killing it


def describe_status(status: int) -> str:
    """An exit status in words: ``status 1``, ``signal SIGSEGV``."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


class Child:
    """A process that we started, in a session of its own, and its output.

    The session keeps the terminal's Ctrl-C and hang-up away from the process: ``run`` decides
    what they do to the host.

    Args:
        argv: program and arguments.
        env: the whole environment of the process.
        cwd: its working directory; None for the current one.
        log: file for its output; None passes it through to this process's output.
        around_output: entered around each piece of output that is passed through.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path | None = None,
        log: Path | None = None,
        around_output: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._around_output = around_output
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._readers: list[threading.Thread] = []
        with contextlib.ExitStack() as stack:
            out = err = subprocess.PIPE if log is None else stack.enter_context(log.open("ab"))
            self.process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        if log is None:
            self._pass_through(self.process.stdout, sys.stdout)
            self._pass_through(self.process.stderr, sys.stderr)

    def _pass_through(self, source: IO[bytes] | None, target: object) -> None:
        sink = getattr(target, "buffer", None)
        reader = threading.Thread(target=self._read, args=(source, sink), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _read(self, source: BinaryIO, sink: BinaryIO | None) -> None:
        rest = b""
        with source:
            while chunk := os.read(source.fileno(), 65536):
                with self._around_output():
                    sink = _copy(chunk, sink)
                *lines, rest = _LINE_END.split(rest[-_LONGEST:] + chunk)
                self._tail.extend(line.decode(errors="replace") for line in lines)
        if rest:
            self._tail.append(rest.decode(errors="replace"))

    @property
    def pid(self) -> int:
        """The id of the process that we started, which may be a wrapper around the host."""
        return self.process.pid

    @property
    def status(self) -> int | None:
        """Exit status of the process that we started: negative for a signal, None while it runs."""
        return self.process.poll()

    @property
    def holds_output(self) -> bool:
        """Whether any process can still write to the output; known only without a log file."""
        return any(reader.is_alive() for reader in self._readers)

    @property
    def has_group(self) -> bool:
        """Whether any process of the group that we started is left."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def last_output(self) -> tuple[str, ...]:
        """The last lines of the output."""
        if self.log is None:
            for reader in self._readers:
                reader.join(0.5)
            return tuple(self._tail)
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - 65536))
            lines = stream.read().decode(errors="replace").splitlines()
        return tuple(lines[-_TAIL:])

    def end(self, host: Process | None = None) -> None:
        """End the process and its group: ask first, then kill.

        Args:
            host: the host's own process, in case a wrapper has put it in another session.
        """
        for signum in (signal.SIGTERM, signal.SIGKILL):
            self._send(signum, host)
            if self._gone_within(_PATIENCE, host):
                return

    def _send(self, signum: int, host: Process | None) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)
        if host is not None and host.is_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(host.pid, signum)

    def _gone_within(self, seconds: float, host: Process | None) -> bool:
        def gone() -> bool:
            return self.status is not None and not (host and host.is_alive) and not self.has_group

        return wait_until(gone, seconds)


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.01) -> bool:
    """Check ``condition`` each ``every`` seconds; return whether it held within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def _copy(chunk: bytes, sink: BinaryIO | None) -> BinaryIO | None:
    """Pass ``chunk`` on to ``sink`` and return ``sink``, or None once nobody reads.

    The caller then goes on reading, because the host must be able to go on writing.
    """
    if sink is None:
        return None
    try:
        sink.write(chunk)
        sink.flush()
    except (OSError, ValueError):
        return None
    return sink
