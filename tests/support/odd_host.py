"""A host in a process of its own that misbehaves as its settings tell it to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel import Host, HostSettings, Installation, Launch, LaunchRequest, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostkernel.errors import LaunchError
    from hostkernel.host import Kernel


class OddSettings(HostSettings):
    before: str = ""
    """Python code that the host runs first."""

    main: str = "kernel.run()"
    """Python code that the adapter runs inside; `kernel` is the kernel."""

    after: str = ""
    """Python code that the host runs last."""

    program: tuple[str, ...] = ()
    """A program in place of all that."""

    windowed: bool = False
    """Say that it has a window."""

    title: str = ""
    """Python expression for the open document's name."""

    advice: str = ""
    """What to do when it does not start."""

    python: str = ""
    """The minor version of Python that it is found with."""

    stubborn: bool = False
    """Do not end when asked to."""


class OddHost(Host):
    name = "odd"
    settings_model = OddSettings
    settings: OddSettings

    def find(self) -> Iterable[Installation]:
        if not self.settings.python:
            return ()
        return (Installation(Path(sys.executable), python=self.settings.python),)

    def launch(self, request: LaunchRequest) -> Launch:
        script = (
            f"{self.settings.before}\n"
            f"namespace = {{'__name__': '__main__', '__builtins__': __builtins__}}\n"
            f"source = open({str(request.bootstrap)!r}).read()\n"
            f"exec(compile(source, {str(request.bootstrap)!r}, 'exec'), namespace)\n"
            f"namespace.clear()\n"
            f"{self.settings.after}\n"
        )
        argv = self.settings.program or (sys.executable, "-c", script)
        return Launch((*argv, *request.args), windowed=self.settings.windowed)

    def advise(self, error: LaunchError) -> str | None:
        return f"{self.settings.advice} ({error.status})" if self.settings.advice else None

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        exec(self.settings.main, {"kernel": kernel, "args": args})

    def title(self) -> str | None:
        return str(eval(self.settings.title)) if self.settings.title else None

    def quit(self) -> None:
        if not self.settings.stubborn:
            super().quit()


@hookimpl
def hostkernel_hosts() -> tuple[type[Host], ...]:
    return (OddHost,)
