"""The adapter for Qt programs: works inside one, and runs one as a script."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.errors import HostNotFoundError, LaunchError
from hostkernel.host import (
    Finding,
    Host,
    HostLoop,
    HostSettings,
    Installation,
    Launch,
    guarded,
    install_advice,
    missing_libraries,
    run_script,
    script_path,
)

from .bindings import BINDINGS, application, loaded
from .loop import ExitBell
from .nested import InterruptibleLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from hostkernel.host import ExceptHook, Kernel, LaunchRequest

__all__ = ["QtHost"]

_DISTRIBUTIONS = {"PySide6": "PySide6_Essentials"}
_PLATFORM = "QT_QPA_PLATFORM"
_UNSEEN = {"offscreen", "minimal", "minimalegl"}  # platforms without visible windows
_CRASHING = {"6.12.0"}  # every call loses a reference to None


class QtHost(Host):
    """A Qt program in Python, with PySide6, PyQt6, PyQt5 or PySide2."""

    name = "qt"
    summary = "Qt programs: PySide6, PyQt6, PyQt5, PySide2"
    logo = Path(__file__).with_name("logo.svg")
    gui = frozenset({"qt", "qt5", "qt6"})

    def __init__(self, settings: HostSettings) -> None:
        super().__init__(settings)
        self._loop: InterruptibleLoop | None = None
        self._script: str | None = None

    # Inside

    @classmethod
    def detect(cls) -> bool:
        """Called inside: whether the program has made its application."""
        return application() is not None

    def loop(self) -> HostLoop:
        """Called inside, on the main thread: Qt's loop; the application may be made later."""
        self._loop = InterruptibleLoop()
        return self._loop

    def interrupted(self) -> None:
        """Called inside, on any thread, when a running cell is interrupted: close its dialog."""
        if self._loop is not None:
            self._loop.interrupted()

    def title(self) -> str | None:
        """Called inside, on the main thread: the active window's title, else the program's name."""
        app = application()
        if app is None:
            return self._script
        titled = [window for window in _windows(app) if window.isVisible() and window.title()]
        if titled:
            return str(max(titled, key=lambda window: bool(window.isActive())).title())
        named = getattr(app, "applicationDisplayName", app.applicationName)
        return str(named()) or self._script

    def veto(self) -> str | None:
        """Called inside, before anything is touched: the application must be on this thread."""
        app = application()
        if app is None or app.thread() == loaded().QThread.currentThread():
            return None
        return "the QApplication lives on another thread; start the kernel there"

    def excepthook(self) -> ExceptHook | None:
        """Called inside, on the main thread: a hook for a program that has set none.

        PyQt aborts a program on any error in a slot. The hook keeps that for the program's slots.
        """
        core = loaded()
        if core is None or sys.excepthook is not sys.__excepthook__:
            return None
        return partial(_abort, core) if core.__name__.startswith("PyQt") else sys.__excepthook__

    def on_exit(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called inside, on the main thread, at start: use ``aboutToQuit``, once there is one."""
        return ExitBell(callback).close

    def quit(self) -> None:
        """Called inside, on the main thread: close the windows, then end the loop.

        Each window may ask or refuse, as when the user closes it. That can open a dialog, so
        closing waits for the loop's next turn, outside the kernel's slice.
        """
        core = loaded()
        if core is None or application() is None:
            super().quit()
        core.QTimer.singleShot(0, guarded(_quit))

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread: run the script; the kernel ends with it."""
        self._script = Path(args[0]).name
        try:
            run_script(args, before=kernel.start)
        finally:
            if kernel.is_running:
                kernel.stop()

    # Outside

    def find(self) -> Iterable[Installation]:
        """Called outside: a binding in this Python, found without importing it.

        Raises:
            HostNotFoundError: no binding is installed.
        """
        for binding in BINDINGS:
            spec = importlib.util.find_spec(binding)
            if spec is not None and spec.submodule_search_locations:
                python = f"{sys.version_info.major}.{sys.version_info.minor}"
                path = Path(spec.submodule_search_locations[0])
                return (Installation(path, _version(binding), python),)
        reason = f"none of {', '.join(BINDINGS)} is installed for {sys.executable}"
        raise HostNotFoundError(self.name, reason, 'pip install "hostkernel[qt]"')

    def diagnose(self) -> list[Finding]:
        """Called outside: a release that crashes programs, no display, missing libraries."""
        findings = [finding for each in self.find() for finding in _library_findings(each)]
        if _version("PySide6") in _CRASHING and sys.version_info < (3, 12):
            problem = f"PySide6 {_version('PySide6')} soon crashes programs on Python 3.11"
            fix = f"{sys.executable} -m pip install 'PySide6-Essentials!={_version('PySide6')}'"
            findings.append(Finding(problem, fix))
        wanted = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
        if sys.platform == "linux" and not wanted & (os.environ | self.settings.env).keys():
            problem = "its window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set"
            fix = "hostkernel run --host qt --set 'hosts.qt.env={QT_QPA_PLATFORM=\"offscreen\"}'"
            findings.append(Finding(problem, fix, prevents=True))
        return findings

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: run the script in this process.

        Raises:
            LaunchError: no script was named.
            ScriptNotFoundError: the script does not exist.
        """
        if not request.args:
            hint = "hostkernel run --host qt SCRIPT.py [ARGS...]"
            raise LaunchError(self.name, "no script was named to run", hint=hint)
        script_path(request.args)
        platform = self.settings.env.get(_PLATFORM, os.environ.get(_PLATFORM, ""))
        return Launch(in_process=True, windowed=platform.partition(":")[0] not in _UNSEEN)


# What a program with widgets loads, below a binding's folder: PySide's, PyQt's.
_LOADED = (
    "QtWidgets*.so",
    "*/plugins/platforms/libqxcb.so",
    "*/plugins/platforms/libqoffscreen.so",
)


def _library_findings(binding: Installation) -> Iterator[Finding]:
    files = (file for pattern in _LOADED for file in binding.path.glob(pattern))
    libraries = missing_libraries(files)
    if libraries:
        problem = f"{binding.path.name} needs shared libraries that are not installed: "
        yield Finding(problem + ", ".join(libraries), install_advice(libraries), prevents=True)


def _abort(core: Any, *error: Any) -> None:
    """Abort the program with the error's traceback, as PyQt does."""
    core.qFatal("".join(traceback.format_exception(*error)).rstrip("\n"))


def _version(binding: str) -> str | None:
    try:
        return version(_DISTRIBUTIONS.get(binding, binding))
    except PackageNotFoundError:
        return None


def _windows(app: Any) -> list[Any]:
    # A QCoreApplication has no windows.
    return list(app.topLevelWindows()) if hasattr(app, "topLevelWindows") else []


def _quit() -> None:
    app = application()
    if app is None:
        return
    if hasattr(app, "closeAllWindows"):
        app.closeAllWindows()
    if not any(window.isVisible() for window in _windows(app)):
        app.quit()
