"""Pictures of what is in Blender, as PNG files' bytes. Imported inside Blender only.

All on the main thread. What is rendered here is rendered from a scene of its own, that goes
again: neither settings nor render result of the user's scenes change.
"""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import mathutils

from .child import as_png, save_result
from .png import png

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["image", "material", "object_", "viewport"]

_LARGEST = 1024  # pixels along the longer side of an image shown as a result
_PREVIEW = (256, 256)
_PREVIEW_SAMPLES = 16
_VIEW_SAMPLES = 4
_DIRECTION = (1.0, -1.3, 0.8)  # from the subject to the camera
_LENS = 50.0
_ROOM = 1.1  # how much more than the subject the picture shows
_WATCHING = ("depsgraph_update_", "render_")
_HAVE_SHAPE = {"MESH", "CURVE", "CURVES", "SURFACE", "META", "FONT", "VOLUME", "GPENCIL"}


# Images


def image(data: Any) -> bytes | None:
    """A ``bpy.types.Image`` at most 1024 pixels wide and high; None where it has no pixels."""
    import numpy as np

    width, height = data.size
    if not width or not height:
        return _render_result(data)
    channels = data.channels
    pixels = np.empty(width * height * channels, np.float32)
    data.pixels.foreach_get(pixels)
    step = math.ceil(max(width, height) / _LARGEST)
    shown = pixels.reshape(height, width, channels)[::step, ::step]
    rgba = np.ones((*shown.shape[:2], 4), np.float32)
    rgba[..., :3] = shown[..., :3]
    if channels == 4:
        rgba[..., 3] = shown[..., 3]
    if data.is_float:
        rgba[..., :3] = _srgb(rgba[..., :3])
    levels = (np.nan_to_num(rgba).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return png(levels.shape[1], levels.shape[0], levels.tobytes())


def _srgb(linear: Any) -> Any:
    import numpy as np

    low = linear.clip(0, 1)
    return np.where(low <= 0.0031308, low * 12.92, 1.055 * low ** (1 / 2.4) - 0.055)


def _render_result(data: Any) -> bytes | None:
    # Its pixels cannot be read, but it can be saved; not so while there is none.
    if data.type != "RENDER_RESULT":
        return None
    with _unwatched(), _file() as file:
        try:
            save_result(bpy.context.scene, file)
        except RuntimeError:
            return None
        return file.read_bytes()


# Viewport


def viewport(size: tuple[int, int] | None = None) -> bytes:
    """The largest 3D viewport, or, where there is none, a quick render of the scene.

    Args:
        size: width and height in pixels; by default the viewport's, or half the render's.
    """
    found = None if bpy.app.background else _largest_viewport()
    if found is None:
        return _quick_view(size or _half_of_render())
    return _draw(*found, size)


def _largest_viewport() -> tuple[Any, Any, Any] | None:
    windows = bpy.context.window_manager.windows
    views = [
        (area.width * area.height, window, area)
        for window in windows
        for area in window.screen.areas
        if area.type == "VIEW_3D"
    ]
    if not views:
        return None
    _, window, area = max(views, key=lambda view: view[0])
    region = next(region for region in area.regions if region.type == "WINDOW")
    return window, area.spaces.active, region


def _draw(window: Any, space: Any, region: Any, size: tuple[int, int] | None) -> bytes:
    import gpu

    width, height = size or (region.width, region.height)
    view = space.region_3d
    view.update()
    window_matrix = _with_aspect(view.window_matrix, region.width / region.height, width / height)
    offscreen = gpu.types.GPUOffScreen(width, height)
    try:
        offscreen.draw_view3d(
            window.scene,
            window.view_layer,
            space,
            region,
            view.view_matrix,
            window_matrix,
            do_color_management=True,
        )
        with offscreen.bind():
            buffer = gpu.state.active_framebuffer_get().read_color(
                0, 0, width, height, 4, 0, "UBYTE"
            )
    finally:
        offscreen.free()
    buffer.dimensions = width * height * 4
    return png(width, height, bytes(buffer))


def _with_aspect(window_matrix: Any, have: float, want: float) -> Any:
    """Show at least what the viewport shows, undistorted."""
    matrix = window_matrix.copy()
    if want > have:
        matrix[0] *= have / want
    else:
        matrix[1] *= want / have
    return matrix


def _half_of_render() -> tuple[int, int]:
    render = bpy.context.scene.render
    share = render.resolution_percentage / 200
    return max(1, int(render.resolution_x * share)), max(1, int(render.resolution_y * share))


def _quick_view(size: tuple[int, int]) -> bytes:
    with _scene_copy() as scene:
        if scene.camera is not None:
            return _render(scene, size, _VIEW_SAMPLES)
        with _camera(scene, scene.objects, size):
            return _render(scene, size, _VIEW_SAMPLES)


# Previews


def object_(data: Any) -> bytes | None:
    """An object alone, from its front right; None where it has nothing to show."""
    if data.type not in _HAVE_SHAPE:
        return None
    with _unwatched(), _stage() as scene:
        scene.collection.objects.link(data)
        with _camera(scene, [data], _PREVIEW):
            return _render(scene, _PREVIEW, _PREVIEW_SAMPLES)


def material(data: Any) -> bytes:
    """A ball of the material."""
    with _unwatched(), _stage() as scene:
        mesh = bpy.data.meshes.new("hostkernel")
        try:
            _make_ball(mesh)
            mesh.materials.append(data)
            with _linked(scene, mesh) as ball, _camera(scene, [ball], _PREVIEW):
                return _render(scene, _PREVIEW, _PREVIEW_SAMPLES)
        finally:
            bpy.data.meshes.remove(mesh)


def _make_ball(mesh: Any) -> None:
    import bmesh

    shape = bmesh.new()
    try:
        bmesh.ops.create_uvsphere(shape, u_segments=48, v_segments=24, radius=1.0)
        for face in shape.faces:
            face.smooth = True
        shape.to_mesh(mesh)
    finally:
        shape.free()


# Scenes of our own


@contextmanager
def _unwatched() -> Iterator[None]:
    """Let no handler take what is done here for a change of the user's, or for a render."""
    names = [name for name in dir(bpy.app.handlers) if name.startswith(_WATCHING)]
    handlers = [getattr(bpy.app.handlers, name) for name in names]
    _bring_up_to_date()  # What the user has changed until now is to be noticed.
    before = [list(each) for each in handlers]
    for each in handlers:
        each.clear()
    try:
        yield
        _bring_up_to_date()
    finally:
        for each, kept in zip(handlers, before, strict=True):
            each[:] = kept


def _bring_up_to_date() -> None:
    if bpy.context.view_layer is not None:
        bpy.context.view_layer.update()


@contextmanager
def _scene_copy() -> Iterator[Any]:
    with _unwatched():
        scene = bpy.context.scene.copy()
        try:
            yield scene
        finally:
            bpy.data.scenes.remove(scene)


@contextmanager
def _stage() -> Iterator[Any]:
    """An empty scene with a sky of even grey and a lamp."""
    scene = bpy.data.scenes.new("hostkernel")
    world = bpy.data.worlds.new("hostkernel")
    lamp = bpy.data.lights.new("hostkernel", "SUN")
    try:
        world.color = (0.25, 0.25, 0.25)
        lamp.energy = 3.0
        scene.world = world
        with _linked(scene, lamp) as sun:
            sun.rotation_euler = (math.radians(50), 0.0, math.radians(15))
            yield scene
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.lights.remove(lamp)
        bpy.data.worlds.remove(world)


@contextmanager
def _linked(scene: Any, data: Any) -> Iterator[Any]:
    linked = bpy.data.objects.new("hostkernel", data)
    try:
        scene.collection.objects.link(linked)
        yield linked
    finally:
        bpy.data.objects.remove(linked)


@contextmanager
def _camera(scene: Any, subjects: Iterable[Any], size: tuple[int, int]) -> Iterator[None]:
    """A camera that sees all of ``subjects``."""
    data = bpy.data.cameras.new("hostkernel")
    try:
        with _linked(scene, data) as camera:
            data.lens = _LENS
            scene.camera = camera
            _look_at(camera, *_surroundings(scene, subjects), size)
            yield
    finally:
        bpy.data.cameras.remove(data)


def _surroundings(scene: Any, subjects: Iterable[Any]) -> tuple[Any, float]:
    scene.view_layers[0].update()
    corners = [
        subject.matrix_world @ mathutils.Vector(corner)
        for subject in subjects
        if subject.type in _HAVE_SHAPE
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


def _render(scene: Any, size: tuple[int, int], samples: int) -> bytes:
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.use_border = False
    render.use_file_extension = False
    render.use_compositing = render.use_sequencer = False
    with _file() as file, as_png(scene):
        render.filepath = str(file)
        bpy.ops.render.render(scene=scene.name, write_still=True)
        return file.read_bytes()


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as folder:
        yield Path(folder, "picture.png")
