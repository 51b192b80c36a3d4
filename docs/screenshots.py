"""Makes the pictures in ``docs/images``: Blender's window with the add-on's panel, and JupyterLab.

    python docs/screenshots.py

Those of JupyterLab are taken by its test, ``tests/jupyter/test_lab.py``, on the way.

It needs Debian's Blender 3.4 on PATH, Xvfb, xdotool, and what
``hostkernel blender build-extension`` needs. The Blender that it starts has a home of its own and
ends by itself. JupyterLab needs Chromium and its driver.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).with_name("images")
SIZE = (1280, 860)
MINUTE = 60

INSIDE = """
import bpy, os, subprocess

bpy.context.preferences.view.show_splash = False

def later(seconds, function):
    bpy.app.timers.register(lambda: (function(), None)[1], first_interval=seconds)

def areas(kind):
    screen = bpy.context.window_manager.windows[0].screen
    return [area for area in screen.areas if area.type == kind]

def install():
    bpy.ops.preferences.addon_install(overwrite=True, filepath=os.environ["ADDON"])
    bpy.ops.preferences.addon_enable(module="hostkernel_addon")
    bpy.ops.hostkernel.start()
    areas("VIEW_3D")[0].spaces.active.show_region_ui = True
    areas("PROPERTIES")[0].spaces.active.context = "SCENE"
    later(2, choose_tab)

def choose_tab():
    # Before Blender 4.2 no script can choose the sidebar's tab.
    subprocess.run(["xdotool", "mousemove", "1044", "246", "click", "1"], check=True)
    later(2, shoot)

def shoot():
    bpy.ops.screen.screenshot(filepath=os.environ["PICTURE"])
    later(0.5, bpy.ops.wm.quit_blender)

later(2, install)
"""


def main() -> None:
    """Take every picture."""
    panel()
    lab()


def lab() -> None:
    """Run the test of JupyterLab, and let it take its pictures."""
    test = IMAGES.parent.parent / "tests" / "jupyter" / "test_lab.py"
    env = os.environ | {"HOSTKERNEL_TEST_PICTURES": str(IMAGES)}
    subprocess.run([sys.executable, "-m", "pytest", str(test)], env=env, check=True)


def panel() -> None:
    """Build the add-on, start Blender with it, and let it take the picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "scripts" / "addons").mkdir(parents=True)
        build = [sys.executable, "-m", "hostkernel", "blender", "build-extension", "--classic"]
        addon = subprocess.check_output([*build, "-o", home], text=True).splitlines()[-1]
        script = home / "inside.py"
        script.write_text(INSIDE)
        picture = IMAGES / "blender-panel.png"
        own = {
            "ADDON": addon,
            "PICTURE": str(picture),
            "HOME": str(home),
            "BLENDER_USER_SCRIPTS": str(home / "scripts"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        }
        screen = ["xvfb-run", "-a", "-s", f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"]
        geometry = ["--window-geometry", "0", "0", *map(str, SIZE)]
        blender = ["blender", "--factory-startup", *geometry, "--python", str(script)]
        subprocess.run([*screen, *blender], env=os.environ | own, check=True, timeout=MINUTE)
        sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    main()
