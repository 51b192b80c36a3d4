"""What the add-on shows in Blender: a panel, its buttons, and the preferences.

Blender reads a property's annotation as it is: no ``from __future__ import annotations`` here.
"""

import shlex
import textwrap
from typing import Any, ClassVar

import bpy

from . import kernel

__all__ = ["register", "unregister"]

_ADDON = __package__ or ""
_WRAP = 34
_COPIES = (
    ("FILE", "Path", "Path of the connection file"),
    ("CONSOLE", "Command", "The command that connects a terminal"),
    ("JSON", "JSON", "The content of the connection file"),
)


class _Button(bpy.types.Operator):  # type: ignore[misc]
    running: ClassVar[bool]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The tooltip, to which Blender adds a full stop.
        cls.bl_description = (cls.__doc__ or "").rstrip(".")

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return (kernel.current() is not None) is cls.running

    def _report(self, succeeded: bool) -> set[str]:
        if succeeded:
            return {"FINISHED"}
        self.report({"ERROR"}, kernel.error())
        return {"CANCELLED"}


class HOSTKERNEL_OT_start(_Button):  # noqa: N801
    """Start a Jupyter kernel in this Blender."""

    bl_idname = "hostkernel.start"
    bl_label = "Start"
    running = False

    def execute(self, _context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        return self._report(kernel.start())


class HOSTKERNEL_OT_stop(_Button):  # noqa: N801
    """Stop the kernel; Blender and the document stay as they are."""

    bl_idname = "hostkernel.stop"
    bl_label = "Stop"
    running = True

    def execute(self, _context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        return self._report(kernel.stop())


class HOSTKERNEL_OT_restart(_Button):  # noqa: N801
    """Forget what cells have defined; clients stay connected."""

    bl_idname = "hostkernel.restart"
    bl_label = "Restart"
    running = True

    def execute(self, _context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        return self._report(kernel.restart())


class HOSTKERNEL_OT_copy(_Button):  # noqa: N801
    """Copy how to connect to the kernel."""

    bl_idname = "hostkernel.copy"
    bl_label = "Copy"
    running = True

    what: bpy.props.EnumProperty(name="What", items=_COPIES)  # type: ignore[valid-type]
    reveal: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="With Key",
        description="Write the key in clear: who has it can run code as you",
        default=False,
    )

    @classmethod
    def description(cls, _context: Any, properties: Any) -> str:
        """Called by Blender: the tooltip."""
        if properties.reveal:
            return "The same with the key in clear: who has it can run code as you"
        return next(text for what, _, text in _COPIES if what == properties.what)

    def execute(self, context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        running = kernel.current()
        if running is None:
            return {"CANCELLED"}
        context.window_manager.clipboard = self._text(running)
        self.report({"INFO"}, "Copied")
        return {"FINISHED"}

    def _text(self, running: Any) -> str:
        if self.what == "JSON":
            text: str = running.connection_info.to_json(reveal=self.reveal)
            return text
        file = str(running.connection_file)
        return file if self.what == "FILE" else f"jupyter console --existing {_quoted(file)}"


def _quoted(file: str) -> str:
    return f'"{file}"' if "\\" in file else shlex.quote(file)


class HOSTKERNEL_OT_settings(bpy.types.Operator):  # type: ignore[misc] # noqa: N801
    """Show the add-on's preferences, and where hostkernel's settings file is."""

    bl_idname = "hostkernel.settings"
    bl_label = "Settings"

    def execute(self, _context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        bpy.ops.preferences.addon_show(module=_ADDON)
        return {"FINISHED"}


class HOSTKERNEL_OT_open_file(bpy.types.Operator):  # type: ignore[misc] # noqa: N801
    """Open hostkernel's settings file, or its folder where there is none."""

    bl_idname = "hostkernel.open_file"
    bl_label = "Open Settings File"

    def execute(self, _context: Any) -> set[str]:
        """Called by Blender, on its main thread."""
        file = kernel.settings_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.path_open(filepath=str(file if file.exists() else file.parent))
        return {"FINISHED"}


class _Panel:
    bl_label = "Jupyter Kernel"

    def draw(self, _context: Any) -> None:
        """Called by Blender, on its main thread, whenever it likes."""
        layout: Any = self.layout  # type: ignore[attr-defined]
        running = kernel.current()
        _draw_error(layout)
        if running is None:
            layout.label(text="Stopped", icon="RADIOBUT_OFF")
            layout.operator("hostkernel.start", icon="PLAY")
        else:
            _draw_running(layout, running)
        layout.operator("hostkernel.settings", icon="PREFERENCES")


def _draw_error(layout: Any) -> None:
    lines = textwrap.wrap(kernel.error(), _WRAP)
    if not lines:
        return
    box = layout.box()
    for number, line in enumerate(lines):
        box.label(text=line, icon="NONE" if number else "ERROR")


def _draw_running(layout: Any, running: Any) -> None:
    layout.label(text=running.state.value.capitalize(), icon="RADIOBUT_ON")
    layout.label(text=f"Kernel {running.id[:8]}", icon="CONSOLE")
    row = layout.row(align=True)
    row.operator("hostkernel.stop", icon="SNAP_FACE")
    row.operator("hostkernel.restart", icon="FILE_REFRESH")
    column = layout.column(align=True)
    for what, label, _ in _COPIES:
        row = column.row(align=True)
        row.operator("hostkernel.copy", text=f"Copy {label}", icon="COPYDOWN").what = what
    revealing = row.operator("hostkernel.copy", text="", icon="HIDE_OFF")
    revealing.what, revealing.reveal = "JSON", True


class HOSTKERNEL_PT_sidebar(_Panel, bpy.types.Panel):  # type: ignore[misc] # noqa: N801
    """The panel in the 3D view's sidebar."""

    bl_idname = "HOSTKERNEL_PT_sidebar"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Kernel"


class HOSTKERNEL_PT_scene(_Panel, bpy.types.Panel):  # type: ignore[misc] # noqa: N801
    """The panel among the scene's properties."""

    bl_idname = "HOSTKERNEL_PT_scene"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "scene"


class _Preferences(bpy.types.AddonPreferences):  # type: ignore[misc]
    bl_idname = _ADDON

    auto_start: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Start the kernel with Blender",
        description="Not in the background",
        default=False,
    )

    def draw(self, _context: Any) -> None:
        """Called by Blender, on its main thread."""
        layout: Any = self.layout
        layout.prop(self, "auto_start")
        layout.operator("hostkernel.open_file", icon="FILE_TEXT")


_CLASSES = (
    HOSTKERNEL_OT_start,
    HOSTKERNEL_OT_stop,
    HOSTKERNEL_OT_restart,
    HOSTKERNEL_OT_copy,
    HOSTKERNEL_OT_settings,
    HOSTKERNEL_OT_open_file,
    HOSTKERNEL_PT_sidebar,
    HOSTKERNEL_PT_scene,
    _Preferences,
)


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    for shown in _CLASSES:
        bpy.utils.register_class(shown)
    if not bpy.app.background:
        # While it enables add-ons, Blender lets nobody near its data.
        bpy.app.timers.register(_auto_start)


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    if bpy.app.timers.is_registered(_auto_start):
        bpy.app.timers.unregister(_auto_start)
    for shown in reversed(_CLASSES):
        bpy.utils.unregister_class(shown)


def _auto_start() -> None:
    preferences = bpy.context.preferences.addons[_ADDON].preferences
    if preferences.auto_start and kernel.current() is None:
        kernel.start()
