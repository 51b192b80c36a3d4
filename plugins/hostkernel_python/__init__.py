"""Plain Python as a host: this very process."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hostkernel import Host, HostSettings, Installation, Launch, hookimpl
from hostkernel.host import run_script, script_path

if TYPE_CHECKING:
    from hostkernel import LaunchRequest
    from hostkernel.host import Kernel

__all__ = ["PythonHost", "PythonSettings"]


class PythonSettings(HostSettings):
    """Plain Python."""

    mode: Literal["serve", "thread"] = "serve"
    """Where cells run: `serve` runs the script to its end, then the kernel on the main thread;
    `thread` runs the kernel in a thread of its own for as long as the script runs."""


class PythonHost(Host):
    """A script, or nothing at all, in a plain Python."""

    name = "python"
    summary = "Plain Python, with or without a script"
    settings_model = PythonSettings
    settings: PythonSettings
    fallback = True

    def find(self) -> Installation:
        """Called outside: the Python that runs this."""
        version = platform.python_version()
        return Installation(Path(sys.executable), version, version.rpartition(".")[0])

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: become the host in this very process, if the script is there."""
        if request.args:
            script_path(request.args)
        return Launch(in_process=True)

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread: run the script and then, or beside it, the kernel."""
        if args and self.settings.mode == "thread":
            _run_beside(kernel, args)
            return
        if args:
            _run_to_its_end(args)
        kernel.serve()


def _run_to_its_end(args: tuple[str, ...]) -> None:
    try:
        run_script(args)
    except SystemExit as end:
        if end.code not in {None, 0}:
            raise


def _run_beside(kernel: Kernel, args: tuple[str, ...]) -> None:
    script_path(args)
    kernel.start()
    try:
        run_script(args)
    finally:
        if kernel.is_running:
            kernel.stop()


@hookimpl
def hostkernel_hosts() -> tuple[type[Host], ...]:
    """The one host of this plugin."""
    return (PythonHost,)
