"""Every error that hostkernel raises on purpose.

HostkernelError
├── ConfigError                   one or more problems in the settings
├── PluginError                   one plugin is broken; says which, where and how
├── HostError
│   ├── UnknownHostError          no adapter of that name
│   ├── AmbiguousHostError        two unrelated adapters claim this process
│   ├── HostNotFoundError         the application is not on this machine
│   ├── ScriptNotFoundError       the script that the host was to run is not there
│   └── HostVetoError             the adapter refuses to start here
├── ConnectionFileError           missing, unreadable or wrong connection file
├── KernelError
│   ├── AlreadyRunningError       start while running
│   ├── NotRunningError           stop while stopped
│   ├── ShellExistsError          this process already has an IPython shell
│   ├── StartError                the kernel's own parts could not be set up
│   ├── WrongThreadError          called off the host's main thread
│   ├── KernelTimeoutError        the main thread did not take a call in time
│   └── RequestError              a running kernel did not do what it was asked from outside
├── LaunchError                   the host did not start, or started without its kernel
├── KernelspecError               a kernelspec cannot be written or removed
├── LogError                      there is no log of what was asked for
├── MissingExtraError             a command needs a package that is not installed
├── NotebookError                 a notebook cannot be read, run to its end, or written
└── SelectionError                no running kernel, or several, match

Errors are built from fields, so that a caller can act on them; ``str()`` gives one
plain wording and the command line its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "AlreadyRunningError",
    "AmbiguousHostError",
    "ConfigError",
    "ConnectionFileError",
    "HostError",
    "HostNotFoundError",
    "HostVetoError",
    "HostkernelError",
    "KernelError",
    "KernelTimeoutError",
    "KernelspecError",
    "LaunchError",
    "LogError",
    "MissingExtraError",
    "NotRunningError",
    "NotebookError",
    "PluginError",
    "Problem",
    "RequestError",
    "ScriptNotFoundError",
    "SelectionError",
    "ShellExistsError",
    "StartError",
    "UnknownHostError",
    "WrongThreadError",
]


class HostkernelError(Exception):
    """Base of every error below; catch it to catch them all."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in the settings.

    Attributes:
        source: where the value came from: a file's path, ``--set``, a variable's name.
        message: what is wrong.
        line: 1-based line in ``source`` where that is a file.
        key: dotted key, such as ``kernel.log_level``.
        text: the offending line or value as it was written.
        expected: what would have been right.
        nearest: the known key that was probably meant.
    """

    source: str
    message: str
    line: int | None = None
    key: str | None = None
    text: str | None = None
    expected: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        parts = [where, self.key, self.message]
        lines = [": ".join(part for part in parts if part)]
        if self.text is not None:
            lines.append(f"    {self.text}")
        if self.expected:
            lines.append(f"  expected {self.expected}")
        if self.nearest:
            lines.append(f"  did you mean {self.nearest}?")
        return "\n".join(lines)


@dataclass(eq=False)
class ConfigError(HostkernelError):
    """The settings cannot be used; ``problems`` holds every reason, not only the first."""

    problems: Sequence[Problem]

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(eq=False)
class PluginError(HostkernelError):
    """One plugin is broken.

    Attributes:
        plugin: the entry point's name, or the path of a local plugin.
        distribution: the installed distribution that brings it, if any.
        version: that distribution's version, if any.
        hook: the hook or method in which it failed, if it got that far.
        reason: what happened, in a sentence.
    The exception behind it, if any, is ``__cause__``.
    """

    plugin: str
    reason: str
    distribution: str | None = None
    version: str | None = None
    hook: str | None = None

    def __str__(self) -> str:
        origin = f" ({self.distribution} {self.version})" if self.distribution else ""
        where = f", {self.hook}" if self.hook else ""
        return f"plugin {self.plugin}{origin}{where}: {self.reason}"


class HostError(HostkernelError):
    """Something about a host application or its adapter."""


@dataclass(eq=False)
class UnknownHostError(HostError):
    """No adapter is called ``name``, or, where that is None, fits this process.

    Attributes:
        name: the host that was asked for.
        known: the hosts there are.
        nearest: the one that was probably meant.
        broken: the plugins that were left out, and may be the ones that bring it.
    """

    name: str | None
    known: Sequence[str]
    nearest: str | None = None
    broken: Sequence[PluginError] = ()

    def __str__(self) -> str:
        what = (
            f"there is no host {self.name!r}."
            if self.name is not None
            else "no host fits this process."
        )
        guess = f" Did you mean {self.nearest}?" if self.nearest else ""
        known = f" Known: {', '.join(self.known) or 'none'}"
        left_out = "".join(f"\n  left out: {problem}" for problem in self.broken)
        return what + guess + known + left_out


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
        hint: how to get or name it.
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
class ConnectionFileError(HostkernelError):
    """A connection file cannot be read, written or used."""

    file: Path
    reason: str
    key: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.file), self.key, self.reason) if part)


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
    """A part of the kernel could not be set up; all is as it was before."""

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
    """A running kernel was asked for something from outside, and it was not done."""

    action: str
    reason: str

    def __str__(self) -> str:
        return f"the kernel could not {self.action}: {self.reason}"


@dataclass(eq=False)
class LaunchError(HostkernelError):
    """The host did not start, or started without a kernel.

    Attributes:
        host: the adapter's name.
        command: the command line that was run, if it came that far.
        step: what was being done, such as ``import ipykernel``.
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
class KernelspecError(HostkernelError):
    """The kernelspec ``name`` cannot be written to or removed from ``folder``."""

    name: str
    folder: Path
    reason: str

    def __str__(self) -> str:
        return f"kernelspec {self.name} in {self.folder}: {self.reason}"


@dataclass(eq=False)
class LogError(HostkernelError):
    """There is no log.

    Attributes:
        wanted: the kernel that was asked for, None for any.
        kernel: that kernel, if it runs: its output goes elsewhere.
    """

    wanted: str | None
    kernel: str | None = None

    def __str__(self) -> str:
        if self.kernel is not None:
            return f"{self.kernel} keeps no log: its output goes to whoever started it"
        whose = f" of {self.wanted!r}" if self.wanted else ""
        return f"there is no log{whose}: hosts that `run --detach` or Jupyter starts keep one"


@dataclass(eq=False)
class MissingExtraError(HostkernelError):
    """``what`` needs ``package``, which comes with hostkernel's extra ``extra``."""

    what: str
    package: str
    extra: str

    def __str__(self) -> str:
        return f"{self.what} needs {self.package}: pip install 'hostkernel[{self.extra}]'"


@dataclass(eq=False)
class NotebookError(HostkernelError):
    """The notebook in ``file`` cannot be read, run to its end, or written."""

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(eq=False)
class SelectionError(HostkernelError):
    """No running kernel, or more than one, fits what was asked for.

    Attributes:
        wanted: what was asked for, or None for "the only one".
        candidates: one line for each kernel that fits, or that is there at all.
        matched: the candidates fit.
        notes: one line for each connection file that was left out, with the reason.
    """

    wanted: str | None
    candidates: Sequence[str]
    matched: bool = False
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join([self._reason(), *(f"  {line}" for line in self.candidates), *self.notes])

    def _reason(self) -> str:
        if not self.candidates:
            return "no kernel is running; start one with: hostkernel run"
        if self.matched and self.wanted is None:
            return "several kernels are running; name one by id, host, pid or title:"
        if self.matched:
            return f"{self.wanted!r} fits several kernels:"
        if self.wanted is None:
            return "no kernel is running here; there are:"
        return f"no running kernel is {self.wanted!r}; there are:"
