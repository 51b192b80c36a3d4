"""Run in Blender: play an animation in the viewport, with an idle kernel and without, in turns.

Usage: blender --python play.py -- PAIRS, in a Blender that hostkernel has started. Prints
``FRAMES with|without RATE`` for each turn, and ``FRAMES done``.
"""

import sys
import time
from collections.abc import Iterator

import bpy

SECONDS = 10.0
UP = 15.0  # until the window is drawn
# Until a kernel looks for messages every 20 ms only; and until what a stop leaves to do is done.
SETTLED = {"with": 12.0, "without": 1.0}
frames = 0


def count(*_: object) -> None:
    global frames
    frames += 1


def play() -> None:
    scene = bpy.context.scene
    scene.render.fps = 240
    cube = bpy.data.objects["Cube"]
    cube.keyframe_insert("location", frame=1)
    cube.location.x = 5
    cube.keyframe_insert("location", frame=250)
    bpy.ops.screen.animation_play()
    bpy.app.handlers.frame_change_post.append(count)


def turns(pairs: int) -> Iterator[float]:
    """What to do, and how long to wait behind it."""
    import hostkernel

    yield UP
    play()
    for number in range(pairs):
        # Which of the two comes first alternates.
        for kind in ("with", "without") if number % 2 else ("without", "with"):
            if kind == "with" and hostkernel.current() is None:
                hostkernel.start("blender")
            elif kind == "without" and hostkernel.current() is not None:
                hostkernel.stop()
            yield SETTLED[kind]
            before, began = frames, time.monotonic()
            yield SECONDS
            print(f"FRAMES {kind} {(frames - before) / (time.monotonic() - began):.3f}", flush=True)
    print("FRAMES done", flush=True)
    while True:
        yield 60.0


bpy.app.timers.register(turns(int(sys.argv[-1])).__next__)
