"""What ``run`` shows on standard error: a spinner, then how to reach the kernel."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.status import Status

__all__ = ["Spinner", "show_panel"]


def show_panel(
    host: str, pid: int, kernel_id: str, connection_file: Path, stream: TextIO | None = None
) -> None:
    """Show how to reach a kernel that is up.

    Args:
        host: the adapter's name.
        pid: the host's process.
        kernel_id: the kernel's id.
        connection_file: where clients find it.
        stream: where to write; standard error by default.
    """
    stream = stream or sys.stderr
    rows = _rows(host, pid, kernel_id, connection_file)
    width = max(map(len, rows))
    text = "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())
    if stream.isatty():
        _show_box(text, stream)
    else:
        print(text, file=stream, flush=True)


def _rows(host: str, pid: int, kernel_id: str, connection_file: Path) -> dict[str, str]:
    short = kernel_id[:8]
    return {
        "kernel": kernel_id,
        "host": f"{host}, pid {pid}",
        "file": str(connection_file),
        "console": f"jupyter console --existing {_existing(connection_file)}",
        "run code": f"hostkernel exec -k {short} -c 'print(1)'",
        "stop": f"hostkernel stop {short}",
    }


def _existing(connection_file: Path) -> str:
    # Clients look up a bare name in the runtime directory only.
    from jupyter_core.paths import jupyter_runtime_dir

    in_runtime = str(connection_file.parent) == jupyter_runtime_dir()
    return connection_file.name if in_runtime else str(connection_file)


def _show_box(text: str, stream: TextIO) -> None:
    # Importing Rich takes longer than a kernel may take to answer: do so only for a terminal.
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    Console(file=stream).print(Panel.fit(Text(text, overflow="fold"), title="hostkernel"))


class Spinner:
    """A spinner on a terminal; nothing elsewhere.

    Example::

        with Spinner("starting") as spinner:
            spinner.step("loading plugins")
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._status: Status | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(self._text)
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._status is not None:
                self._status.stop()
            self._status = None

    def step(self, step: str) -> None:
        """Show what is being done now."""
        with self._lock:
            if self._status is not None:
                self._status.update(f"{self._text}: {step}")

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the spinner while other output is written; callable on any thread."""
        with self._lock:
            if self._status is not None:
                self._status.stop()
            try:
                yield
            finally:
                if self._status is not None:
                    self._status.start()
