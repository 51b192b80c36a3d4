"""Run in Blender: play an animation in the viewport, and print its frames per second."""

import time

import bpy

SECONDS = 10.0
state = {"frames": 0, "began": 0.0}


def count(*_: object) -> None:
    state["frames"] += 1


def begin() -> None:
    scene = bpy.context.scene
    scene.render.fps = 240
    cube = bpy.data.objects["Cube"]
    cube.keyframe_insert("location", frame=1)
    cube.location.x = 5
    cube.keyframe_insert("location", frame=250)
    bpy.ops.screen.animation_play()
    bpy.app.handlers.frame_change_post.append(count)
    state["began"] = time.monotonic()
    bpy.app.timers.register(end, first_interval=SECONDS)


def end() -> None:
    rate = state["frames"] / (time.monotonic() - state["began"])
    print(f"FRAMES {rate:.3f}", flush=True)


bpy.app.timers.register(begin, first_interval=20.0)
