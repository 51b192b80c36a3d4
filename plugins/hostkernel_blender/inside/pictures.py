"""Pictures of Blender's data as the bytes of PNG files. Imported inside Blender only.

Showing a result must run nothing of the user's document in this Blender: no evaluation (drivers,
modifiers, physics), no render, no handler, no message bus. It must also leave nothing behind. So
a child Blender does all rendering (:mod:`.painter`). The child gets a file that
``bpy.data.libraries.write`` makes of the data-block and its dependencies; that call only reads
the document, works in any mode, and calls no handler.

Rejected:

- a temporary scene in this Blender, with the user's object linked into it: a second dependency
  graph evaluates the object. That crashes Blender 3.4 in the sculpt and paint modes, evaluated
  objects cannot be linked, handlers and drivers run, user counts and the Render Result change;
- a temporary scene with a mesh from ``new_from_object``: it evaluates as well, materials still
  carry drivers and images, and the data-blocks come and go in the user's document;
- ``ID.preview_ensure``: it stores the picture in the document;
- ``save_as_mainfile(copy=True)``: it calls the save handlers and flushes the edit mode.
"""

from __future__ import annotations

import logging
import math
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any

import bpy

from .painter import paint
from .png import png

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["careful", "image", "material", "object_", "viewport"]

_LARGEST = 1024  # pixels along the longer side of an image shown as a result
_PREVIEW = (256, 256)
_HAVE_SHAPE = {
    "CURVE",
    "CURVES",
    "FONT",
    "GPENCIL",
    "GREASEPENCIL",
    "MESH",
    "META",
    "POINTCLOUD",
    "SURFACE",
    "VOLUME",
}
_JOBS = ("RENDER", "OBJECT_BAKE", "COMPOSITE")
_VIEW_SETTINGS = ("view_transform", "look", "exposure", "gamma")


def careful(make: Callable[[Any], bytes | None]) -> Callable[[Any], bytes | None]:
    """Turn ``make`` into a formatter of results, which returns None if ``make`` fails.

    It also returns None in another thread, where Blender's data must not be read. An interrupt
    still reaches the cell, as it does in any other ``_repr_png_``.

    Upstream: IPython publishes an error of a formatter, and the cell's reply becomes an error.
    """

    @wraps(make)
    def picture(data: Any) -> bytes | None:
        if threading.current_thread() is not threading.main_thread():
            return None
        try:
            return make(data)
        except Exception:
            logging.getLogger(__name__).debug("no picture of a result", exc_info=True)
            return None

    return picture


# Images


def image(data: Any) -> bytes | None:
    """Return a ``bpy.types.Image`` at most 1024 pixels wide and high, None if it has no pixels."""
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
    # The pixels of a render result cannot be read, but it can be saved, in the scene's format:
    # changing that format, even briefly, would change the document. There may be no result yet.
    if data.type != "RENDER_RESULT" or not _is_calm():
        return None
    scene = bpy.context.scene
    view = {name: getattr(scene.view_settings, name) for name in _VIEW_SETTINGS}
    device = scene.display_settings.display_device
    return paint(
        data.save_render, {"kind": "image", "view_settings": view, "display_device": device}
    )


# Viewport


def viewport(size: tuple[int, int] | None = None) -> bytes:
    """Return a picture of the largest 3D viewport or, if there is none, a quick render.

    Args:
        size: width and height in pixels; by default the viewport's, or half the scene's render
            resolution.
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
    """Return a matrix that shows at least what the viewport shows, undistorted."""
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
    scene = bpy.context.scene
    return paint(_writer(scene), _order("scene", scene, size))


# Previews


def object_(data: Any) -> bytes | None:
    """Return a picture of an object alone, from its front right; None if it cannot be shown."""
    if data.type not in _HAVE_SHAPE or not _is_in(bpy.data.objects, data) or not _is_whole(data):
        return None
    return _preview("object", data)


def material(data: Any) -> bytes | None:
    """Return a picture of a ball of the material, None if it cannot be shown."""
    return _preview("material", data) if _is_in(bpy.data.materials, data) else None


def _preview(kind: str, data: Any) -> bytes | None:
    if _uses_override(data) or not _is_calm():
        return None
    return paint(_writer(data), _order(kind, data, _PREVIEW))


def _is_in(kind: Any, data: Any) -> bool:
    """Whether ``data`` is in the document: no file can hold evaluated or temporary data-blocks."""
    return data.as_pointer() in (each.as_pointer() for each in kind)


def _is_whole(data: Any) -> bool:
    """Whether an object's data holds what its user sees, which it does in object mode only."""
    return data.mode == "OBJECT" and not getattr(data.data, "is_editmode", False)


def _uses_override(data: Any) -> bool:
    """Whether ``data`` is, or uses, a library override.

    With each file written, newer Blenders leave a user behind at the source of an override.
    """
    users = bpy.data.user_map()
    found = new = {block for block in users if block.override_library}
    while new:
        new = set().union(*(users.get(block, ()) for block in new)) - found
        found = found | new
    return data in found


def _is_calm() -> bool:
    """Whether no job of Blender's works on the document; during a job no file is written."""
    return not any(map(bpy.app.is_job_running, _JOBS))


# Orders for the child


def _writer(data: Any) -> Callable[[str], object]:
    # Data linked from a library would be written as a link, and by newer Blenders not at all.
    blocks = set() if data.library else {data}
    return lambda file: bpy.data.libraries.write(file, blocks, path_remap="ABSOLUTE")


def _order(kind: str, data: Any, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": data.name,
        "size": size,
        "frame": bpy.context.scene.frame_current,
        "library": data.library and _path(data.library),
    }


def _path(library: Any) -> str:
    return str(bpy.path.abspath(library.filepath, library=library.parent))
