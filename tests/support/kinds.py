"""The hosts that come with hostkernel, and how to start each for a test that has no screen."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from support.runs import need, need_module

if TYPE_CHECKING:
    from pathlib import Path

# The module bpy, and Blender's program without its window, are hosts of different kinds.
KINDS = ("python", "qt", "bpy", "background")

QT_PROGRAM = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLabel

beats = 0

def beat():
    global beats
    beats += 1

app = QApplication(sys.argv)
label = QLabel("a window")
label.show()
pulse = QTimer()
pulse.timeout.connect(beat)
pulse.start(5)
sys.exit(app.exec())
"""


def cheap_window(width: int, height: int) -> str:
    """Arguments that keep Blender's window cheap, as TOML.

    Without a graphics card each pixel of it takes its time, and smooth edges draw it eight times.
    """
    rough = "import bpy; bpy.context.preferences.system.viewport_aa = 'OFF'"
    size = ("0", "0", str(width), str(height))
    return json.dumps(["--window-geometry", *size, "--python-expr", rough])


def arguments(kind: str, folder: Path) -> tuple[str, ...]:
    """What ``hostkernel run`` and ``kernelspec install`` need for it; files go into ``folder``.

    Besides these there is ``"window"``, Blender with its window, which needs a display.
    """
    if kind == "python":
        return ("--host", "python")
    if kind == "qt":
        need_module("PySide6")
        program = folder / "window.py"
        program.write_text(QT_PROGRAM)
        offscreen = "--set=hosts.qt.env={QT_QPA_PLATFORM = 'offscreen', QT_API = 'PySide6'}"
        return ("--host", "qt", offscreen, str(program))
    if kind == "bpy":
        need_module("bpy")
        return ("--host", "blender", "--set=hosts.blender.executable=bpy", _FACTORY)
    need(shutil.which("blender"), "Blender on PATH")
    executable = f"--set=hosts.blender.executable={shutil.which('blender')}"
    return ("--host", "blender", executable, _FACTORY, _BLENDERS[kind])


_FACTORY = "--set=hosts.blender.factory_startup=true"
_BLENDERS = {
    "background": "--set=hosts.blender.background=true",
    "window": f"--set=hosts.blender.args={cheap_window(640, 480)}",
}
