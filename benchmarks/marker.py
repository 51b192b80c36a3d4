"""Run in a host without a kernel: say when the host is up.

In a window that is the first turn of its loop, before which nothing can be answered.
"""

import os

import bpy


def mark() -> None:
    os.write(int(os.environ["MARKER"]), b"!")


if bpy.app.background:
    mark()
else:
    bpy.app.timers.register(mark)
