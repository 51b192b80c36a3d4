"""The script that renders small pictures in a child Blender, for :mod:`.painter`.

The child runs this file by its path and uses nothing else of hostkernel. Each line of its
standard input is an order. The child ends at the end of that input, or after 120 seconds
without an order.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import mathutils

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__: list[str] = []

_IDLE_SECONDS = 120.0
_PREVIEW_SAMPLES = 16
_VIEW_SAMPLES = 4
_DIRECTION = (1.0, -1.3, 0.8)  # from the subject to the camera
_LENS = 50.0
_ROOM = 1.1  # how much more than the subject the picture shows
_FLAT = {"ARMATURE", "CAMERA", "EMPTY", "LATTICE", "LIGHT", "LIGHT_PROBE", "SPEAKER"}


# Orders


def object_(order: dict[str, Any]) -> None:
    """Render an object alone, from its front right."""
    subject = _get("objects", order)
    scene = _stage(order["frame"])
    scene.collection.objects.link(subject)
    _place_camera(scene, [subject], order["size"])
    _render(scene, order, _PREVIEW_SAMPLES)


def material(order: dict[str, Any]) -> None:
    """Render a ball of the material."""
    shown = _get("materials", order)
    scene = _stage(order["frame"])
    mesh = bpy.data.meshes.new("ball")
    _make_ball(mesh)
    mesh.materials.append(shown)
    _place_camera(scene, [_link(scene, mesh)], order["size"])
    _render(scene, order, _PREVIEW_SAMPLES)


def scene(order: dict[str, Any]) -> None:
    """Render a scene quickly, from its camera if it has one."""
    shown = _get("scenes", order)
    _leave_modes()
    if shown.camera is None:
        _place_camera(shown, shown.objects, order["size"])
    _render(shown, order, _VIEW_SAMPLES)


def image(order: dict[str, Any]) -> None:
    """Save a picture file as a PNG file, with its colours as the scene shows them."""
    loaded = bpy.data.images.load(order["file"])
    try:
        if loaded.is_float:
            _save_as_shown(loaded, order)
        else:
            loaded.file_format = "PNG"
            loaded.filepath_raw = order["picture"]
            loaded.save()
    finally:
        bpy.data.images.remove(loaded)


def _get(kind: str, order: dict[str, Any]) -> Any:
    """Load the data-block from the order's file, or from the library that it was linked from."""
    if order["library"] is None:
        bpy.ops.wm.open_mainfile(filepath=order["file"], load_ui=False, use_scripts=False)
        return getattr(bpy.data, kind)[order["name"]]
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(order["library"], link=True) as (_, wanted):
        setattr(wanted, kind, [order["name"]])
    return getattr(wanted, kind)[0]


def _leave_modes() -> None:
    # Rendering an object in sculpt mode crashes Blender 3.4.
    if bpy.context.object is not None and bpy.context.object.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def _save_as_shown(loaded: Any, order: dict[str, Any]) -> None:
    scene = bpy.context.scene
    scene.display_settings.display_device = order["display_device"]
    for name, value in order["view_settings"].items():
        setattr(scene.view_settings, name, value)
    _use_png(scene)
    loaded.save_render(order["picture"], scene=scene)


# Scenes


def _stage(frame: int) -> Any:
    """Make an empty scene with a sky of even grey and a lamp."""
    scene = bpy.data.scenes.new("stage")
    scene.frame_set(frame)
    scene.world = bpy.data.worlds.new("stage")
    scene.world.color = (0.25, 0.25, 0.25)
    lamp = bpy.data.lights.new("stage", "SUN")
    lamp.energy = 3.0
    _link(scene, lamp).rotation_euler = (math.radians(50), 0.0, math.radians(15))
    return scene


def _link(scene: Any, data: Any) -> Any:
    linked = bpy.data.objects.new("stage", data)
    scene.collection.objects.link(linked)
    return linked


def _make_ball(mesh: Any) -> None:
    import bmesh

    shape = bmesh.new()
    bmesh.ops.create_uvsphere(shape, u_segments=48, v_segments=24, radius=1.0)
    for face in shape.faces:
        face.smooth = True
    shape.to_mesh(mesh)
    shape.free()


def _place_camera(scene: Any, subjects: Iterable[Any], size: tuple[int, int]) -> None:
    """Add a camera that sees all of ``subjects``."""
    data = bpy.data.cameras.new("stage")
    data.lens = _LENS
    scene.camera = _link(scene, data)
    _look_at(scene.camera, *_surroundings(scene, subjects), size)


def _surroundings(scene: Any, subjects: Iterable[Any]) -> tuple[Any, float]:
    scene.view_layers[0].update()
    corners = [
        subject.matrix_world @ mathutils.Vector(corner)
        for subject in subjects
        if subject.type not in _FLAT
        for corner in subject.bound_box
    ]
    if not corners:
        return mathutils.Vector(), 1.0
    low, high = (mathutils.Vector(map(edge, zip(*corners, strict=True))) for edge in (min, max))
    return (low + high) / 2, max((high - low).length / 2, 1e-3)


def _look_at(camera: Any, centre: Any, radius: float, size: tuple[int, int]) -> None:
    narrow = camera.data.angle * min(size) / max(size)
    distance = _ROOM * radius / math.sin(narrow / 2)
    direction = mathutils.Vector(_DIRECTION).normalized()
    camera.data.clip_start = distance / 1000
    camera.data.clip_end = distance + 10 * radius
    camera.location = centre + distance * direction
    camera.rotation_euler = direction.to_track_quat("Z", "Y").to_euler()


def _render(scene: Any, order: dict[str, Any], samples: int) -> None:
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    render.resolution_x, render.resolution_y = order["size"]
    render.resolution_percentage = 100
    render.use_border = render.use_freestyle = False
    render.use_file_extension = False
    render.use_compositing = render.use_sequencer = False
    _use_png(scene)
    render.filepath = order["picture"]
    bpy.ops.render.render(scene=scene.name, write_still=True)


def _use_png(scene: Any) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_depth = "8"


# The child's main loop

_KINDS = {"object": object_, "material": material, "scene": scene, "image": image}


def _serve(folder: str) -> None:
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders, folder), daemon=True).start()
    while True:
        try:
            _carry_out(json.loads(orders.get(timeout=_IDLE_SECONDS)))
        except queue.Empty:
            _end(folder)


def _read(orders: queue.SimpleQueue[str], folder: str) -> None:
    for line in sys.stdin:
        orders.put(line)
    _end(folder)


def _end(folder: str) -> None:
    # There is nothing to save, and an abandoned render would keep Blender from quitting.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _carry_out(order: dict[str, Any]) -> None:
    """Carry out an order; the answer appears whole, as the picture or as a ``.failed`` file."""
    picture = Path(order["picture"])
    unfinished = order["picture"] = str(picture.with_suffix(".part"))
    try:
        _KINDS[order["kind"]](order)
        Path(unfinished).rename(picture)
    except Exception:
        Path(unfinished).write_text(traceback.format_exc())
        Path(unfinished).rename(picture.with_suffix(".failed"))


if __name__ == "__main__":
    _serve(sys.argv[-1])
