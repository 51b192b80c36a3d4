"""Plain Python as a host: this process."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hostkernel import Host, HostSettings, Installation, Launch, hookimpl
from hostkernel.host import run_script, script_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostkernel import LaunchRequest
    from hostkernel.host import Kernel

__all__ = ["PythonHost", "PythonSettings"]


class PythonSettings(HostSettings):
    """Plain Python."""

    mode: Literal["serve", "thread"] = "serve"
    """Where cells run: `serve` runs the script to its end, then the kernel on the main thread;
    `thread` runs the kernel in a thread of its own for as long as the script runs."""


class PythonHost(Host):
    """Plain Python, with or without a script."""

    name = "python"
    summary = "Plain Python, with or without a script"
    logo = Path(__file__).with_name("logo.svg")
    settings_model = PythonSettings
    settings: PythonSettings
    fallback = True
    _ending = False

    def find(self) -> Iterable[Installation]:
        """Called outside: the Python that runs this code."""
        major, minor, micro = sys.version_info[:3]
        version = f"{major}.{minor}.{micro}"
        return (Installation(Path(sys.executable), version, f"{major}.{minor}"),)

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: make this process the host, if the script exists."""
        if request.args:
            script_path(request.args)
        return Launch(in_process=True)

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread: run the script, and the kernel after or beside it."""
        if args and self.settings.mode == "thread":
            self._run_beside(kernel, args)
            return
        if args:
            _run_to_its_end(args)
        kernel.serve()

    def quit(self) -> None:
        """Called inside, on the kernel's thread: exit, or interrupt the main thread's script."""
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(0)
        self._ending = True
        _interrupt_main_thread()

    def _run_beside(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        try:
            run_script(args, before=kernel.start)
        except KeyboardInterrupt:
            if not self._ending:
                raise
        finally:
            if kernel.is_running:
                kernel.stop()


def _run_to_its_end(args: tuple[str, ...]) -> None:
    try:
        run_script(args)
    except SystemExit as end:
        if end.code not in {None, 0}:
            raise


def _interrupt_main_thread() -> None:
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
    else:  # a real signal cuts a sleep short
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@hookimpl
def hostkernel_hosts() -> tuple[type[Host], ...]:
    """The one host of this plugin."""
    return (PythonHost,)
