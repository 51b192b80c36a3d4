"""For comparison: ipykernel as it is in Blender's window, one loop turn per 1 ms timer.

Usage: blender --python one_turn_per_timer.py -- SITE_PACKAGES CONNECTION_FILE
"""

from __future__ import annotations

import site
import sys
import types

import bpy

folder, file = sys.argv[-2:]
site.addsitedir(folder)

from ipykernel.kernelapp import IPKernelApp  # noqa: E402

app = IPKernelApp.instance(user_ns={}, user_module=types.ModuleType("cells"))
app.initialize(["-f", file])
app.kernel.start()
loop = app.kernel.io_loop.asyncio_loop


def turn() -> float:
    loop.call_soon(loop.stop)
    loop.run_forever()
    return 0.001


bpy.app.timers.register(turn, persistent=True)
