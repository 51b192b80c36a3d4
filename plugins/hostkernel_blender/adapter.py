"""The adapter: finds Blender, starts it with the kernel, and knows it from inside."""

from __future__ import annotations

import os
import sys
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hostkernel.errors import LaunchError
from hostkernel.host import (
    Finding,
    Host,
    HostLoop,
    HostSettings,
    Installation,
    Launch,
    install_advice,
    missing_libraries,
)

from .outside.advice import NO_DISPLAY, advice
from .outside.find import HOST, choose, environment, installations
from .outside.places import bundled_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import ClassVar

    from hostkernel.host import Kernel, LaunchRequest

    from .inside.undo import UndoSteps

__all__ = ["BlenderHost", "BlenderSettings"]

AreaType = Literal[
    "VIEW_3D",
    "IMAGE_EDITOR",
    "NODE_EDITOR",
    "SEQUENCE_EDITOR",
    "CLIP_EDITOR",
    "DOPESHEET_EDITOR",
    "GRAPH_EDITOR",
    "NLA_EDITOR",
    "TEXT_EDITOR",
    "CONSOLE",
    "OUTLINER",
    "PROPERTIES",
    "SPREADSHEET",
    "FILE_BROWSER",
]

# Blender ends with 1 if its last break was not taken back: Esc, or a render that failed.
_ORDERLY = frozenset({0, 1})


class BlenderSettings(HostSettings):
    """Blender."""

    executable: Literal["bpy"] | Path | None = None
    """Path of Blender's program, or `bpy` for the module of this Python. Without it Blender is
    looked for on PATH, then in the usual places, and last comes the module."""

    version: str | None = Field(
        default=None, pattern=r"^\d+(\.\d+){0,2}$", coerce_numbers_to_str=True
    )
    """The Blender to use where there are several, by the beginning of its version: `"4.2"`."""

    background: bool = False
    """Start Blender without its window. The bpy module never has one."""

    blend_file: Path | None = None
    """The file to open at start."""

    startup: Path | None = None
    """A Python script to run in Blender once its kernel is up. Its names are the cells'."""

    factory_startup: bool = False
    """Ignore the user's preferences and startup file."""

    context_area: AreaType = "VIEW_3D"
    """The kind of area that cells run in, in Blender's window: operators find it, its region and
    its space in the context. Where no window shows one, a cell has a window only."""

    undo: bool | Literal["reported"] = True
    """Make each cell that changed something one step of Blender's undo history; `"reported"`:
    only where Blender reports the change."""

    args: tuple[str, ...] = ()
    """More of Blender's own command line options. What follows a `--` is for scripts."""


class BlenderHost(Host):
    """Blender in its window, in the background, or as the bpy module of this Python."""

    name = HOST
    summary = "Blender: window, background, or the bpy module"
    logo = Path(__file__).with_name("logo.svg")
    settings_model: ClassVar[type[HostSettings]] = BlenderSettings
    settings: BlenderSettings
    # An operator under an override, see docs/blender.md. From Python 3.12 on Blender asks for its
    # own thread whether it has the GIL.
    undisturbed: ClassVar[bool] = sys.version_info < (3, 12)

    # Inside

    @classmethod
    def detect(cls) -> bool:
        """Called inside: whether bpy is imported, as it is in Blender from the first line on."""
        return "bpy" in sys.modules

    def loop(self) -> HostLoop | None:
        """Called inside, on the main thread: the window's loop, None in the background."""
        import bpy

        if bpy.app.background:
            return None
        from .inside.loop import BlenderLoop

        return BlenderLoop(self.settings.context_area)

    def started(self) -> None:
        """Called inside, on the main thread, when the kernel is up: run the startup script."""
        if self.settings.startup:
            from .inside import startup

            startup.run(self.settings.startup.expanduser())

    @cached_property
    def _undo_steps(self) -> UndoSteps:
        from .inside.undo import UndoSteps

        return UndoSteps(judged=self.settings.undo is True)

    def cell_begins(self) -> None:
        """Called inside, on the main thread, before a cell."""
        from .inside import handlers, references, startup

        startup.tell()
        handlers.restore()
        references.cell_begins()
        if self.settings.undo:
            self._undo_steps.begin()

    def cell_ended(self, number: int | None, cell: str) -> None:
        """Called inside, on the main thread, after a cell; ``number`` is None if it has none."""
        from .inside import references

        references.cell_ended()
        if self.settings.undo:
            self._undo_steps.end(number, cell)

    def comm_begins(self) -> None:
        """Called inside, on the main thread, before a comm message is handled."""
        if self.settings.undo:
            self._undo_steps.begin_comm()

    def comm_ended(self, content: Mapping[str, Any]) -> None:
        """Called inside, on the main thread, after a comm message with this ``content``."""
        if self.settings.undo:
            self._undo_steps.end_comm(content)

    def leave(self) -> None:
        """Called inside, on the main thread, when the kernel has stopped."""
        from .inside import painter, references

        painter.close()
        references.close()
        self._undo_steps.close()

    def title(self) -> str | None:
        """Called inside, on the main thread: the open file's name."""
        import bpy

        return os.path.basename(bpy.data.filepath) or "(unsaved)"  # noqa: PTH119  for each cell

    def quit(self) -> None:
        """Called inside, on the main thread: do what File > Quit does, without asking."""
        import bpy

        if bpy.app.background:
            super().quit()
        bpy.app.timers.register(_quit_window, persistent=True)

    def main(self, kernel: Kernel, args: tuple[str, ...]) -> None:
        """Called inside, on the main thread, by the bootstrap: run the kernel.

        The bpy module is imported here, and its files opened; Blender's program has already read
        its command line.
        """
        import bpy

        if not bpy.app.binary_path:
            self._open(args)
        kernel.run()

    def _open(self, args: tuple[str, ...]) -> None:
        import bpy

        if self.settings.factory_startup:
            bpy.ops.wm.read_factory_settings()
        for file in self._module_files(args):
            bpy.ops.wm.open_mainfile(filepath=str(file))

    # Outside

    def find(self) -> Iterable[Installation]:
        """Called outside: the Blender to use, then every other one and the bpy module.

        The one to use is started only if its version must be checked.

        Raises:
            HostNotFoundError: no Blender fits, or its Python is too old.
        """
        return installations(self.settings.executable, self.settings.version)

    def launch(self, request: LaunchRequest) -> Launch:
        """Called outside: Blender's command line, or this process for the bpy module.

        Raises:
            LaunchError: a window has no display, a file does not exist, or the bpy module cannot
                take the options.

        """
        found = request.installation
        if self.settings.startup:
            _existing(self.settings.startup, "run")
        if self.settings.executable == "bpy" or (found and found.path.is_dir()):
            self._module_files(request.args)
            return Launch(in_process=True)
        own, script = _split((*self.settings.args, *request.args))
        windowed = self._has_window(own)
        if windowed:
            self._need_display()
        program = found.path if found else Path("blender")
        argv = (str(program), *self._options(), *own, "--python", str(request.bootstrap), *script)
        return Launch(argv, environment(program), windowed=windowed, orderly=_ORDERLY)

    def diagnose(self) -> list[Finding]:
        """Called outside: no display, a file that is not there, libraries that the module needs."""
        checks: list[Callable[[], object]] = []
        if not self.settings.command:
            path = self._chosen().path
            if path.is_dir():
                checks.append(partial(_need_libraries, path))
            elif self._has_window(_split(self.settings.args)[0]):
                checks.append(self._need_display)
        checks.append(self._blend_file)
        return [finding for check in checks for finding in _findings(check)]

    def _chosen(self) -> Installation:
        return choose(self.settings.executable, self.settings.version)

    def _has_window(self, own: tuple[str, ...]) -> bool:
        return not (self.settings.background or {"-b", "--background"} & set(own))

    def _options(self) -> list[str]:
        flags = {
            "--background": self.settings.background,
            "--factory-startup": self.settings.factory_startup,
        }
        return [*(flag for flag, wanted in flags.items() if wanted), *map(str, self._blend_file())]

    def _module_files(self, args: tuple[str, ...]) -> list[Path]:
        args = (*self.settings.args, *args)
        options = [arg for arg in args if not arg.endswith(".blend")]
        if options:
            reason = f"the bpy module opens .blend files only and knows no {' '.join(options)}"
            hint = "For Blender's options name an installed Blender: hosts.blender.executable"
            raise LaunchError(HOST, reason, hint=hint)
        return [*self._blend_file(), *(_existing(Path(arg)) for arg in args)]

    def _blend_file(self) -> list[Path]:
        file = self.settings.blend_file
        return [_existing(file)] if file else []

    def _need_display(self) -> None:
        variables = os.environ | self.settings.env
        if sys.platform != "linux" or self.settings.command:
            return
        if {"DISPLAY", "WAYLAND_DISPLAY"} & variables.keys():
            return
        reason = "its window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set"
        raise LaunchError(HOST, reason, hint=NO_DISPLAY)

    def advise(self, error: LaunchError) -> str | None:
        """Called outside: what to do about a Blender that did not start."""
        return advice(error)

    # Both

    def interpreter(self) -> Sequence[str]:
        """Called on both sides: the Python that Blender brings, else the system's.

        In a Blender on the system's Python, ``sys.executable`` is the first ``python3.11`` on PATH.
        """
        if self.detect():
            return _inner_interpreter()
        path = self._chosen().path
        python = None if path.is_dir() else bundled_python(path)
        return (str(python),) if python else super().interpreter()


def _findings(check: Callable[[], object]) -> Iterator[Finding]:
    try:
        check()
    except LaunchError as error:
        fix = error.hint or "hostkernel config show --origin"
        yield Finding(error.reason, fix, prevents=True)


def _need_libraries(module: Path) -> None:
    libraries = missing_libraries(module.glob("__init__*.so"))
    if libraries:
        reason = f"bpy needs shared libraries that are not installed: {', '.join(libraries)}"
        raise LaunchError(HOST, reason, hint=install_advice(libraries))


def _existing(file: Path, purpose: str = "open") -> Path:
    path = file.expanduser()
    if path.is_file():
        return path.absolute()
    raise LaunchError(HOST, f"there is no file {path} to {purpose}")


def _split(args: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # Blender reads nothing after "--", so the bootstrap has to come before it.
    end = args.index("--") if "--" in args else len(args)
    return args[:end], args[end:]


def _inner_interpreter() -> tuple[str, ...]:
    import bpy

    if not bpy.app.binary_path:
        return (sys.executable,)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(sys.prefix, "bin")
    candidates = (folder / name for name in (minor, "python3", "python.exe"))
    return (str(next((path for path in candidates if path.is_file()), sys.executable)),)


def _quit_window() -> None:
    import bpy

    if bpy.context.window:
        bpy.ops.wm.quit_blender()
        return
    # Without a window, as after a file load in the same turn, the operator crashes Blender.
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.wm.quit_blender()
