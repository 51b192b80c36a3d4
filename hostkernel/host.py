"""What the author of a host adapter writes against.

A host is an application with Python inside. Its adapter is one class, a subclass of
:class:`Host`, that a plugin returns from the hook ``hostkernel_hosts``. Everything but
``name`` has a working default. *Inside* means in the host's process, *outside* in the
user's shell or Jupyter server.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from .errors import LaunchError, ScriptNotFoundError

__all__ = [
    "Finding",
    "Host",
    "HostLoop",
    "HostPaths",
    "HostSettings",
    "Installation",
    "Kernel",
    "Launch",
    "LaunchRequest",
    "Tick",
    "run_script",
    "script_path",
]

Tick = Callable[[], float | None]
"""Run one slice of the kernel; the seconds until it wants the next, None for "when woken"."""


class HostSettings(BaseModel):
    """The settings every host has, under ``[hosts.NAME]``; subclass it to add your own.

    Each field's docstring is its description everywhere: help, JSON Schema, sample file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = ()
    """Program and arguments that start the host instead of the one found, such as a studio's
    wrapper script; the adapter's own arguments follow."""

    env: dict[str, str] = {}
    """Environment variables set for the host."""


@dataclass(frozen=True)
class HostPaths:
    """Where a host's files live.

    Attributes:
        runtime: connection files. Jupyter clients find ``--existing NAME`` only in Jupyter's
            runtime directory.
        config: the user's settings file.
        cache: what can be built again.
        log: output of detached hosts.
    """

    runtime: Path
    config: Path
    cache: Path
    log: Path


@dataclass(frozen=True)
class Installation:
    """A host found on this machine.

    Attributes:
        path: the executable, or the package directory of a host that is a Python module.
        version: the host's version, if it can be told.
        python: ``"3.11"``: the minor version of the Python inside, if it can be told.
    """

    path: Path
    version: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class LaunchRequest:
    """What the outside asks an adapter to start.

    Attributes:
        bootstrap: the script that must run first inside the host, on its main thread.
        args: the user's own arguments for the host.
        installation: what :meth:`Host.find` returned.
    """

    bootstrap: Path
    args: tuple[str, ...]
    installation: Installation | None


@dataclass(frozen=True)
class Launch:
    """How to start the host.

    Attributes:
        argv: program and arguments.
        env: variables to add to the environment.
        cwd: working directory, None for the user's.
        in_process: True where this very process becomes the host; ``argv`` is then unused.
        windowed: True where the host shows a window that its user works in. Such a host
            outlives the terminal or server that started it.
        orderly: the exit statuses with which the host ends in good order.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    in_process: bool = False
    windowed: bool = False
    orderly: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Finding:
    """Something that ``hostkernel doctor`` found wrong.

    Attributes:
        problem: what is wrong, in a sentence.
        fix: the command that fixes it, or what to do.
        prevents: whether it keeps the host from starting, and is no mere warning.
    """

    problem: str
    fix: str
    prevents: bool = False


class Kernel(Protocol):
    """The kernel as adapters and hooks see it; inside only."""

    @property
    def id(self) -> str:
        """Identifier in the connection file's name, ``kernel-<id>.json``."""

    @property
    def host(self) -> Host:
        """The adapter instance."""

    @property
    def is_running(self) -> bool:
        """Whether clients can reach the kernel now; asked afresh each time."""

    @property
    def connection_file(self) -> Path | None:
        """The connection file while there is one."""

    def start(self) -> object:
        """Start; returns at once, the host's own loop drives the kernel."""

    def serve(self) -> None:
        """Start if need be, and run the kernel's loop here until it is stopped."""

    def run(self) -> None:
        """Start in the host's loop and return, or :meth:`serve` where the host has none."""

    def stop(self) -> object:
        """Stop, and put the process back as it was."""


class HostLoop:
    """A host's main loop, as the kernel's pump sees it. Inside only.

    Subclass it with about ten lines: keep ``tick`` in :meth:`start`, and make the host call
    it on its main thread once for each :meth:`wake`. The core coalesces wakes, guards
    against re-entry, and ``tick`` itself never raises.
    """

    polled: ClassVar[bool] = False
    """The host cannot be woken from outside: call ``tick`` regularly and sleep for the
    seconds it returns at most. An empty tick costs microseconds."""

    sleeps: ClassVar[bool] = False
    """The host sleeps in C between turns, and a signal cuts that sleep short: the core sends
    a private signal to the main thread along with every :meth:`wake`."""

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once; begin to call ``tick`` when woken."""
        raise NotImplementedError

    def wake(self) -> None:
        """Called inside, from any thread: call ``tick`` once, soon, on the main thread."""
        raise NotImplementedError

    def stop(self) -> None:
        """Called inside, on the main thread, once; never call ``tick`` again."""
        raise NotImplementedError


class Host:
    """One host application. Constructed once, with its validated settings.

    Example::

        class MyHost(Host):
            name = "myapp"
            summary = "My application"

            @classmethod
            def detect(cls):
                return "myapp" in sys.modules

            def loop(self):
                from ._inside import MyLoop
                return MyLoop()
    """

    name: ClassVar[str]
    """Lower-case identifier, as in ``--host NAME`` and ``[hosts.NAME]``."""

    summary: ClassVar[str] = ""
    """One line for ``hostkernel hosts``."""

    logo: ClassVar[Path | None] = None
    """A PNG or SVG file for launchers."""

    settings_model: ClassVar[type[HostSettings]] = HostSettings
    """The type of ``[hosts.NAME]``."""

    thread_safe: ClassVar[bool] = False
    """Whether the application's API may be used off its main thread."""

    undisturbed: ClassVar[bool] = False
    """Whether the application may crash if another thread runs Python while a cell is inside it.
    The cell then waits while its output is sent. Threads that cells start are theirs."""

    fallback: ClassVar[bool] = False
    """The host to use when none is named or detected."""

    gui: ClassVar[frozenset[str]] = frozenset()
    """What ``%gui`` may name here, because the host's own loop already is it."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.__dict__.get("name")
        if name is not None and not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            message = f"{cls.__qualname__}.name must be a lower-case identifier, not {name!r}"
            raise TypeError(message)

    def __init__(self, settings: HostSettings) -> None:
        self.settings = settings

    # Inside

    @classmethod
    def detect(cls) -> bool:
        """Called inside, before the settings are read: whether this process is the host.

        Look at ``sys.modules``, import nothing. A detected subclass beats its base; one that
        does not override this method is not asked.
        """
        return False

    def loop(self) -> HostLoop | None:
        """Called inside, at start, on the main thread: the host's loop, None if it has none."""
        return None

    def tick_context(self) -> AbstractContextManager[object]:
        """Called inside, on the main thread: entered around each slice that has work."""
        return nullcontext()

    def title(self) -> str | None:
        """Called inside, on the main thread: the open document's name."""
        return None

    def veto(self) -> str | None:
        """Called inside, before anything is touched: a reason not to start, or None."""
        return None

    def on_exit(self, callback: Callable[[], None]) -> Callable[[], None] | None:
        """Called inside, at start, on the main thread: arrange to hear of the host's end.

        Args:
            callback: to be called on the main thread when the host ends. Python's own atexit
                is watched anyway.

        Returns:
            A function that takes the registration back, None if there is nothing to take back.
        """
        return None

    def quit(self) -> None:
        """Called inside, once the kernel is gone: end the host, by its own orderly way.

        On the thread that the kernel ran on: the main thread, except where the host has
        neither a loop nor is served.
        """
        raise SystemExit(0)

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread, by the bootstrap: start the kernel.

        Only in a host that hostkernel started. Where it has no loop of its own, run the kernel
        here until it stops.

        Args:
            kernel: not started yet.
            args: the user's arguments, for a host that runs in hostkernel's own process; in
                any other the application has seen them itself.
        """
        kernel.run()

    # Outside

    def find(self) -> Installation | None:
        """Called outside: the application on this machine, None if there is nothing to find.

        Raises:
            HostNotFoundError: it is not there.
        """
        return None

    def installations(self) -> Sequence[Installation]:
        """Called outside, for listings: every copy of the application on this machine.

        Raises:
            HostNotFoundError: there is none.
        """
        found = self.find()
        return () if found is None else (found,)

    def examine(self, installation: Installation) -> Installation:
        """Called outside, for listings: the same with all that can be told.

        It may start the application to ask, which would delay every start in :meth:`find`.
        """
        return installation

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: how to start the host so that it runs ``request.bootstrap``."""
        return Launch(in_process=True)

    def advise(self, error: LaunchError) -> str | None:
        """Called outside when the host did not start: what its user can do about it.

        Args:
            error: with the end of the host's output and its exit status. It is shown with what
                this returns as ``hint``, if it has none yet.
        """
        return None

    def diagnose(self) -> Sequence[Finding]:
        """Called outside, by ``hostkernel doctor``: what would keep the host from starting.

        Or from working well. Beside what :meth:`find` raises and the Python inside, which the
        core looks at. Only look: start nothing, change nothing.
        """
        return ()

    # Both

    def paths(self) -> HostPaths:
        """Called on both sides, before a file is touched: where this host's files live."""
        import platformdirs
        from jupyter_core.paths import jupyter_runtime_dir

        return HostPaths(
            runtime=Path(jupyter_runtime_dir()),
            config=platformdirs.user_config_path("hostkernel", appauthor=False),
            cache=platformdirs.user_cache_path("hostkernel", appauthor=False),
            log=platformdirs.user_log_path("hostkernel", appauthor=False),
        )

    def interpreter(self) -> Sequence[str]:
        """Called on both sides: the command of the host's real Python.

        ``sys.executable`` is something else in most hosts. Cells see this one's instead, if it
        is a program without arguments.
        """
        return (sys.executable,)

    def packages(self) -> Path | None:
        """Called inside: the folder that ``%pip`` installs into, so that no host is changed.

        None means the environment of :meth:`interpreter`, by default where this process is
        plain Python: then that is the user's own.
        """
        import platformdirs

        if Path((*sys.orig_argv, "")[0]).name.startswith(("python", "pypy")):
            return None
        data = platformdirs.user_data_path("hostkernel", appauthor=False)
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return data / "packages" / self.name / python


def script_path(args: Sequence[str]) -> Path:
    """Called on both sides, on any thread: the script that ``args`` name.

    Args:
        args: the script's file, relative to the working directory, and its own arguments.

    Raises:
        ScriptNotFoundError: there is no such file.
    """
    path = Path(args[0]).absolute()
    if not path.is_file():
        raise ScriptNotFoundError(args[0], Path.cwd())
    return path


def run_script(args: Sequence[str], *, before: Callable[[], object] = lambda: None) -> None:
    """Called inside, on the main thread, from :meth:`Host.main`: run a script as Python would.

    The script is ``__main__``, and stays it when it has ended; ``args`` become ``sys.argv``,
    and its folder comes first on ``sys.path``. What it raises, SystemExit too, comes out.

    Args:
        args: the script's file and its own arguments.
        before: called when all that is in place, before the script's first line. A kernel
            that runs beside the script starts here, so that it finds the right ``__main__``.

    Raises:
        ScriptNotFoundError: there is no such file.

    Example::

        def main(self, kernel, args):
            run_script(args)
            kernel.serve()
    """
    path = script_path(args)
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    main = ModuleType("__main__")
    main.__file__ = str(path)
    sys.argv = list(args)
    if not sys.flags.safe_path:
        sys.path.insert(0, str(path.parent))
    sys.modules["__main__"] = main
    before()
    exec(code, main.__dict__)
