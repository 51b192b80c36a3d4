"""Errors of a kernel or its connection file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import HostkernelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AlreadyRunningError",
    "ConnectionFileError",
    "KernelError",
    "KernelTimeoutError",
    "NotRunningError",
    "RequestError",
    "ShellExistsError",
    "StartError",
    "WrongThreadError",
]


class KernelError(HostkernelError):
    """Something about the embedded kernel of this process."""


@dataclass(eq=False)
class AlreadyRunningError(KernelError):
    """``start()`` while a kernel runs; one process has one kernel."""

    state: str
    connection_file: Path | None = None

    def __str__(self) -> str:
        where = f" ({self.connection_file})" if self.connection_file else ""
        return f"a kernel is already {self.state} in this process{where}"


@dataclass(eq=False)
class NotRunningError(KernelError):
    """An action that needs a running kernel, while there is none."""

    action: str
    state: str = "idle"

    def __str__(self) -> str:
        return f"cannot {self.action}: the kernel is {self.state}"


@dataclass(eq=False)
class ShellExistsError(KernelError):
    """This process already has an IPython shell, and there can be only one."""

    shell: str

    def __str__(self) -> str:
        return (
            f"this process already runs an IPython shell ({self.shell}), and Python allows one: "
            "it is probably a notebook, Spyder or an IPython console already"
        )


@dataclass(eq=False)
class StartError(KernelError):
    """A part of the kernel could not be set up; the process is as it was before."""

    reason: str

    def __str__(self) -> str:
        return f"the kernel could not start: {self.reason}"


@dataclass(eq=False)
class WrongThreadError(KernelError):
    """Called off the thread that the call belongs to."""

    action: str
    thread: str

    def __str__(self) -> str:
        return f"{self.action} must be called on the host's main thread, not on {self.thread!r}"


@dataclass(eq=False)
class KernelTimeoutError(KernelError):
    """The host's main thread did not take a call in time; nothing was killed."""

    action: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.action}: the host's main thread was busy for {self.seconds:g} s"


@dataclass(eq=False)
class RequestError(KernelError):
    """A running kernel did not do what it was asked from outside."""

    action: str
    reason: str

    def __str__(self) -> str:
        return f"the kernel could not {self.action}: {self.reason}"


@dataclass(eq=False)
class ConnectionFileError(HostkernelError):
    """A connection file cannot be read, written or used."""

    file: Path
    reason: str
    key: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.file), self.key, self.reason) if part)
