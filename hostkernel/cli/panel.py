"""What ``run`` shows on standard error: a spinner, then how to reach the kernel."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .failures import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["show_panel", "spinner"]


def show_panel(host: str, pid: int, kernel_id: str, connection_file: Path) -> None:
    """Show how to reach a kernel that is up."""
    rows = _rows(host, pid, kernel_id, connection_file)
    width = max(map(len, rows))
    lines = [f"{name:{width}}  {value}" for name, value in rows.items()]
    if sys.stderr.isatty():
        _show_box(lines)
    else:
        say("\n".join(lines))


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


def _show_box(lines: list[str]) -> None:
    # Rich takes longer to import than a kernel may take to answer: only where it is seen.
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    text = Text("\n".join(lines), overflow="fold")
    Console(stderr=True).print(Panel.fit(text, title="hostkernel"), soft_wrap=True)


@contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal while the block runs; yields what shows the current step."""
    if not sys.stderr.isatty():
        yield lambda _step: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda step: status.update(f"{text}: {step}")
