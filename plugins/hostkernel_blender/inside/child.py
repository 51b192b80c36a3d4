"""Render in a child Blender or in this one.

A child runs this file by its path and uses nothing else of hostkernel.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["as_png", "render", "save_result"]

# In this order: setting a format resets the settings after it.
_FORMAT = ("media_type", "file_format", "color_mode", "color_depth", "compression")


@contextmanager
def as_png(scene: Any) -> Iterator[None]:
    """Make ``scene``'s settings save PNG files inside this context."""
    settings = scene.render.image_settings
    before = {name: getattr(settings, name) for name in _FORMAT if hasattr(settings, name)}
    try:
        if "media_type" in before:
            settings.media_type = "IMAGE"
        settings.file_format = "PNG"
        settings.color_depth = "8"
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


def save_result(scene: Any, file: Path) -> None:
    """Save the render result that belongs to ``scene``; the file appears whole or not at all."""
    result = next(image for image in bpy.data.images if image.type == "RENDER_RESULT")
    unfinished = file.with_suffix(".part")
    with as_png(scene):
        result.save_render(str(unfinished), scene=scene)
    unfinished.rename(file)


def render(scene: Any, folder: Path, frame: int | None, *, animation: bool) -> None:
    """Render ``frame``, by default the current one, or all frames of the scene's animation.

    The pictures to show go to ``folder``; an animation is also written to the scene's output.
    """
    if animation:
        _render_animation(scene, folder)
        return
    current = scene.frame_current
    if frame is not None:
        scene.frame_set(frame)
    try:
        bpy.ops.render.render(scene=scene.name)
        save_result(scene, _picture(scene, folder))
    finally:
        if scene.frame_current != current:
            scene.frame_set(current)


def _render_animation(scene: Any, folder: Path) -> None:
    def written(*_: object) -> None:
        save_result(scene, _picture(scene, folder))

    bpy.app.handlers.render_write.append(written)
    try:
        bpy.ops.render.render(scene=scene.name, animation=True)
    finally:
        bpy.app.handlers.render_write.remove(written)


def _picture(scene: Any, folder: Path) -> Path:
    return folder / f"frame-{scene.frame_current:07d}.png"


def _show_statistics(text: str | None = None, *_: object) -> None:
    # Older Blenders print the statistics themselves and pass no text.
    if text:
        print(text, flush=True)  # noqa: T201


def _main(file: str, scene: str, folder: str, output: str, **how: Any) -> None:
    allowed = how.pop("scripts")
    bpy.ops.wm.open_mainfile(filepath=file, load_ui=False, use_scripts=allowed)
    bpy.app.handlers.render_stats.append(_show_statistics)
    chosen = bpy.data.scenes[scene]
    chosen.render.filepath = output
    try:
        render(chosen, Path(folder), **how)
    except RuntimeError:
        sys.exit(1)  # Blender has printed why.


if __name__ == "__main__":
    _main(**json.loads(sys.argv[-1]))
