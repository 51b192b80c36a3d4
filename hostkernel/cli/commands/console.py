"""``hostkernel console``: a terminal console on a running kernel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import typer

from hostkernel.cli.selection import KernelArgument, KernelOption, named

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def console(kernel: KernelArgument = None, kernel_option: KernelOption = None) -> None:
    """Open jupyter_console on a running kernel. The kernel goes on when it ends."""
    from hostkernel.errors import MissingExtraError
    from hostkernel.registry import find

    if importlib.util.find_spec("jupyter_console") is None:
        raise MissingExtraError("hostkernel console", "jupyter_console", "console")
    file = find(named(kernel, kernel_option)).file
    command = [sys.executable, "-m", "jupyter_console", "--existing", str(file)]
    raise typer.Exit(_follow(subprocess.Popen(command)))


def _follow(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # It is the console's, which has got it too.
            continue
