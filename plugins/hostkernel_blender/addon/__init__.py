"""The Jupyter kernel of this Blender, with a button.

One code base for two packages that ``hostkernel blender build-extension`` makes: an extension
for Blender 4.2 and newer, and a classic add-on for older ones. Older Pythons must be able to
parse this file: it is here that one that is too old is refused.
"""

import json
import sys
from pathlib import Path

bl_info = {
    "name": "hostkernel",
    "description": "A Jupyter kernel in the Blender that is open",
    "author": "hostkernel contributors",
    "version": (0, 1, 0),
    "blender": (3, 0, 0),
    "location": "3D View > Sidebar > Kernel, Properties > Scene",
    "category": "Development",
}

_OLDEST = (3, 11)


def register() -> None:
    """Called by Blender when the add-on is enabled, and at start while it is."""
    _check_python()
    from . import ui

    ui.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled, and at the end: stops its kernel."""
    from . import kernel, ui

    kernel.stop_own()
    ui.unregister()


def serve() -> None:
    """Called by a script, in a Blender without a window: run a kernel until it is stopped.

    Example::

        from bl_ext.user_default import hostkernel as addon

        addon.serve()
    """
    from . import kernel

    kernel.serve()


def _check_python() -> None:
    here = sys.version_info[:2]
    if here < _OLDEST:
        message = "this Blender's Python is {}.{}; hostkernel needs {}.{} or newer"
        raise RuntimeError(message.format(*here, *_OLDEST))
    file = Path(__file__).with_name("brought.json")
    built_for = json.loads(file.read_text(encoding="utf-8"))["python"]
    if built_for != "{}.{}".format(*here):
        message = "this Blender's Python is {}.{}; this add-on was built for Python {}"
        raise RuntimeError(message.format(*here, built_for))
