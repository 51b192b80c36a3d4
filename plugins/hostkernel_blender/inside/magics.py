"""The IPython extension with ``%viewport``, ``%render`` and pictures as results.

Loaded inside Blender only, by each fresh shell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import bpy
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.display import Image, display

from . import pictures
from .painter import PaintingError
from .render import render_apart, render_here

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["load_ipython_extension"]

_LARGEST = 8192
_RENDER_CALL = re.compile(r"get_ipython\(\)\.run_line_magic\((['\"])render\1")


def load_ipython_extension(ip: Any) -> None:
    """Register magics and formatters; called inside, on the main thread, by IPython."""
    ip.register_magic_function(viewport, "line")
    ip.register_magic_function(render, "line")
    ip.input_transformers_post.append(_await_render)
    png = ip.display_formatter.formatters["image/png"]
    png.for_type(bpy.types.Image, pictures.careful(pictures.image))
    png.for_type(bpy.types.Material, pictures.careful(pictures.material))
    png.for_type(bpy.types.Object, pictures.careful(pictures.object_))


def _await_render(lines: list[str]) -> list[str]:
    # IPython itself cannot await a magic.
    return [_RENDER_CALL.sub(lambda call: f"await {call[0]}", line) for line in lines]


def viewport(line: str) -> None:
    """Show a picture of the 3D viewport: ``%viewport [WIDTHxHEIGHT]``.

    Without a window, or without a 3D viewport in it, show a quick render of the scene.
    """
    size = _size(line.strip())
    try:
        display(Image(pictures.viewport(size)))
    except PaintingError as error:
        message = f"%viewport: no picture could be made:\n{error}"
        raise UsageError(message) from None


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match:
        message = f"%viewport: {text!r} is not a size; write it as in %viewport 640x480"
        raise UsageError(message)
    width, height = map(int, match.groups())
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        message = f"%viewport: {text} is out of range: 1 to {_LARGEST} pixels each way"
        raise UsageError(message)
    return width, height


async def render(line: str) -> None:
    """Render the scene and show it: ``%render [--frame N | --animation] [--here]``.

    Without ``--here``, a child Blender renders the scene as it is now, and you can go on working
    in this one; interrupting the cell ends the render. An animation is written to the scene's
    output path.
    """
    options = _options(line)
    if options.here:
        render_here(options.frame, animation=options.animation)
    else:
        await render_apart(options.frame, animation=options.animation)


def _options(line: str) -> Namespace:
    parser = MagicArgumentParser(prog="%render", add_help=False)
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument("--frame", type=int, metavar="N")
    frames.add_argument("--animation", action="store_true")
    parser.add_argument("--here", action="store_true")
    options: Namespace = parser.parse_argstring(line)
    return options
