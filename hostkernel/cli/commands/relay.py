"""``hostkernel relay``: stand for a kernel that is open; for kernelspecs."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - Typer evaluates annotations
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli import gc_pause
from hostkernel.cli.failures import FAILED, say
from hostkernel.cli.selection import KernelOption

if TYPE_CHECKING:
    from hostkernel.jupyter.choose import Attach
    from hostkernel.registry import RunningKernel

__all__ = ["app", "launcher", "relayed", "to_relay"]

app = typer.Typer(add_completion=False)


@app.command(hidden=True)
def relay(
    connection_file: Annotated[
        Path, typer.Option("-f", metavar="FILE", help="Connection file, as launchers pass it.")
    ],
    kernel: KernelOption = None,
) -> None:
    """Answer on the ports of FILE for a kernel that is open.

    For clients that start a kernelspec's command line themselves, and know no provisioners.
    """
    there = to_relay(connection_file, "always", None, kernel)
    assert there is not None
    raise typer.Exit(relayed(there, connection_file))


def to_relay(
    file: Path, attach: Attach, host: str | None, wanted: str | None = None
) -> RunningKernel | None:
    """The kernel to stand for, None to start a host.

    Raises:
        SelectionError: it is not there, or it could be several.
    """
    from hostkernel.config.models import ATTACH
    from hostkernel.jupyter.choose import open_kernel
    from hostkernel.jupyter.relay import relayed_before

    return relayed_before(file) or open_kernel(attach, host, os.environ.get(ATTACH) or wanted)


def relayed(kernel: RunningKernel, file: Path) -> int:
    """Stand for ``kernel`` until the client or the kernel ends; the exit status."""
    from hostkernel.jupyter.relay import relay

    gc_pause.end()
    said = relay(kernel, file.expanduser().absolute(), launcher() or os.getppid())
    if said is None:
        return 0
    say(f"hostkernel: {said}")
    return FAILED


def launcher() -> int | None:
    """The process that started us as a kernel, as jupyter_client says."""
    pid = os.environ.get("JPY_PARENT_PID", "")
    # On Windows it is no process id.
    return int(pid) if pid.isdecimal() and os.name == "posix" else None
