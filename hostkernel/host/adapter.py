"""The adapter of one host application."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hostkernel.processes import is_plain_python

from .launching import Finding, Installation, Launch, LaunchRequest
from .settings import HostPaths, HostSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hostkernel.errors import LaunchError

    from .loop import ExceptHook, HostLoop, Kernel

__all__ = ["Host"]


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
                return PostLoop(sys.modules["myapp"].call_on_main_thread)
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
    The cell then waits while its output is sent. Threads that cells start are not held back."""

    fallback: ClassVar[bool] = False
    """The host to use when none is named or detected."""

    gui: ClassVar[frozenset[str]] = frozenset()
    """The names that ``%gui`` accepts here: toolkits that the host's own loop already serves."""

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

        Look at ``sys.modules``, import nothing. A detected subclass beats its base; a subclass
        that does not override this method is not asked.
        """
        return False

    def loop(self) -> HostLoop | None:
        """Called inside, at start, on the main thread: the host's loop, None if it has none."""
        return None

    def interrupted(self) -> None:
        """Called inside, on any thread, when a running cell is interrupted.

        The cell gets its KeyboardInterrupt anyway, once it runs Python code. Override this where
        a cell may wait for something that the application can end: a dialog that the cell has
        opened, a task that can be cancelled. Leave alone what the application itself has opened
        or begun.
        """

    def title(self) -> str | None:
        """Called inside, on the main thread: the open document's name."""
        return None

    def veto(self) -> str | None:
        """Called inside, before anything is touched: a reason not to start, or None."""
        return None

    def excepthook(self) -> ExceptHook | None:
        """Called inside, on the main thread, before each cell until it returns something.

        For an application that an uncaught error in a callback would end. Between cells
        ``sys.excepthook`` is the application's. If this returns a function, the kernel keeps its
        own hook there from the first cell to the stop, which shows the errors of a cell's code
        to the cell's client.

        Returns:
            The function to call for all other errors, with the arguments of ``sys.excepthook``.
            None leaves ``sys.excepthook`` alone.
        """
        return None

    def on_exit(self, callback: Callable[[], None]) -> Callable[[], None] | None:
        """Called inside, at start, on the main thread: register a callback for the host's end.

        Args:
            callback: to be called on the main thread when the host ends. The core watches
                Python's own atexit anyway.

        Returns:
            A function that undoes the registration, None if there is nothing to undo.
        """
        return None

    def quit(self) -> None:
        """Called inside, on the kernel's thread, once the kernel is gone: end the host properly.

        The kernel's thread is the main thread, except in a host that has no loop and is not
        served.
        """
        raise SystemExit(0)

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread, by the bootstrap: start the kernel.

        Only in a host that hostkernel started. If the host has no loop of its own, run the kernel
        here until it stops.

        Args:
            kernel: the kernel, not started yet.
            args: the user's arguments, for a host that runs in hostkernel's own process; in
                any other host the application has seen them itself.
        """
        kernel.run()

    # Outside

    def find(self) -> Iterable[Installation]:
        """Called outside: the copies of the application on this machine, the one to start first.

        A start takes the first copy that is not ``listed_only`` and asks for no other; only
        ``hostkernel hosts`` asks for all. So a generator can leave slow searches to the end.

        Returns:
            The copies; none if there is nothing to find.

        Raises:
            HostNotFoundError: no copy can be started. A generator may give copies that are
                ``listed_only`` before it raises this.
        """
        return ()

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: how to start the host so that it runs ``request.bootstrap``.

        By default the process that asks becomes the host.

        Raises:
            LaunchError: the host cannot be started in this way. Its ``hint`` is shown below its
                ``reason``: what the user can do, such as the right command line.
                :meth:`advise` is not called for this error.

        Example::

            if not request.args:
                hint = "hostkernel run --host myapp DOCUMENT"
                raise LaunchError(self.name, "no document was named", hint=hint)
        """
        return Launch(in_process=True)

    def advise(self, error: LaunchError) -> str | None:
        """Called outside when the host did not start: what its user can do about it.

        Args:
            error: the failure, with the end of the host's output and its exit status. If it has no
                ``hint`` yet, it is shown with the result of this method as its ``hint``.
        """
        return None

    def diagnose(self) -> Sequence[Finding]:
        """Called outside, by ``hostkernel doctor``: what would keep the host from starting.

        Also what would keep it from working well. Leave out what :meth:`find` raises and the
        Python inside: the core checks both. Only look: start nothing, change nothing.
        """
        return ()

    # Both

    def paths(self) -> HostPaths:
        """Called on both sides, before a file is touched: where this host's files live."""
        import platformdirs
        from jupyter_core.paths import jupyter_runtime_dir

        return HostPaths(
            runtime=Path(jupyter_runtime_dir()),
            cache=platformdirs.user_cache_path("hostkernel", appauthor=False),
            log=platformdirs.user_log_path("hostkernel", appauthor=False),
        )

    def interpreter(self) -> Sequence[str]:
        """Called on both sides: the command of the host's real Python.

        ``sys.executable`` is something else in most hosts. Cells see this command as their
        ``sys.executable`` instead, if it is a program without arguments.
        """
        return (sys.executable,)

    def packages(self) -> Path | None:
        """Called inside: the folder that ``%pip`` installs into, so that no host is changed.

        None means the environment of :meth:`interpreter`. That is the default in plain Python,
        where the environment is the user's own.
        """
        import platformdirs

        if is_plain_python():
            return None
        data = platformdirs.user_data_path("hostkernel", appauthor=False)
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return data / "packages" / self.name / python
