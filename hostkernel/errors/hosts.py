"""Errors of a host application, its adapter or its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .base import HostkernelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .settings import PluginError

__all__ = [
    "AmbiguousHostError",
    "HostError",
    "HostNotFoundError",
    "HostVetoError",
    "LaunchError",
    "ScriptError",
    "ScriptNotFoundError",
    "UnknownHostError",
]


class HostError(HostkernelError):
    """Something about a host application or its adapter."""


@dataclass(eq=False)
class UnknownHostError(HostError):
    """No adapter is called ``name``, or, if that is None, no adapter fits this process.

    Attributes:
        name: the host that was asked for.
        known: the names of the known hosts.
        nearest: the known host that was probably meant.
        broken: the plugins that were left out; one of them may bring the host.
        hint: what to do about it.
    """

    name: str | None
    known: Sequence[str]
    nearest: str | None = None
    broken: Sequence[PluginError] = ()
    hint: str | None = None

    def __str__(self) -> str:
        what = (
            f"there is no host {self.name!r}."
            if self.name is not None
            else "no host fits this process."
        )
        guess = f" Did you mean {self.nearest}?" if self.nearest else ""
        known = f" Known: {', '.join(self.known) or 'none'}"
        left_out = "".join(f"\n  left out: {problem}" for problem in self.broken)
        return what + guess + known + left_out + (f"\n{self.hint}" if self.hint else "")


@dataclass(eq=False)
class AmbiguousHostError(HostError):
    """Two unrelated adapters both recognise this process."""

    names: Sequence[str]

    def __str__(self) -> str:
        return f"this process looks like {' and '.join(self.names)}: name the host to use"


@dataclass(eq=False)
class HostNotFoundError(HostError):
    """The application is not on this machine, or not where the settings say.

    Attributes:
        host: the adapter's name.
        reason: what was looked for, and where.
        hint: how to get the application, or to name its place.
    """

    host: str
    reason: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.host}: {self.reason}" + (f"\n{self.hint}" if self.hint else "")


@dataclass(eq=False)
class ScriptNotFoundError(HostError):
    """There is no file ``script``, seen from the folder ``cwd``."""

    script: str
    cwd: Path

    def __str__(self) -> str:
        return f"there is no script {self.script!r} in {self.cwd}"


@dataclass(eq=False)
class HostVetoError(HostError):
    """The adapter gave a reason not to start a kernel in this process."""

    host: str
    reason: str

    def __str__(self) -> str:
        return f"{self.host}: {self.reason}"


@dataclass(eq=False)
class LaunchError(HostkernelError):
    """The host did not start, or started without a kernel.

    Attributes:
        host: the adapter's name.
        command: the command line that was run, if the start came that far.
        step: the step that failed, such as ``import ipykernel``.
        reason: what happened, in a sentence.
        traceback: the traceback from inside the host, if there is one.
        output: the last lines that the host printed.
        status: exit status of the started process, if it has ended.
        hint: what to do about it.
        python: minor version of the Python inside, if the start came that far.
    """

    host: str
    reason: str
    step: str | None = None
    command: Sequence[str] = ()
    traceback: str | None = None
    output: Sequence[str] = field(default_factory=tuple)
    status: int | None = None
    hint: str | None = None
    python: str | None = None

    def __str__(self) -> str:
        step = f" (step: {self.step})" if self.step else ""
        parts = [f"{self.host} did not start: {self.reason}{step}"]
        if self.traceback:
            parts.append(self.traceback.rstrip())
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)


@dataclass(eq=False)
class ScriptError(LaunchError):
    """The script that the host was to run ended before its kernel was up.

    ``traceback`` is what Python prints about the script's end, ``status`` is its exit status.
    """
