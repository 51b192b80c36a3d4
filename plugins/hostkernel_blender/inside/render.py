"""The scene rendered by a child Blender, for ``%render``. Imported inside Blender only."""

from __future__ import annotations

import asyncio
import html
import json
import re
import subprocess
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import bpy
from IPython.core.error import UsageError
from IPython.display import Image, display

from . import child
from .spawn import command, environment

__all__ = ["render_apart", "render_here"]

_POLL = 0.1
_SAMPLE = re.compile(rb"Sample (\d+)/(\d+)")
_LAST_LINES = 15


def render_here(frame: int | None, *, animation: bool) -> None:
    """Render in this Blender, which is busy until the render ends."""
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as folder:
        child.render(bpy.context.scene, Path(folder), frame, animation=animation)
        display(Image(_newest(Path(folder)).read_bytes()))


async def render_apart(frame: int | None, *, animation: bool) -> None:
    """Render a copy of the file in a child Blender; this one stays usable.

    An interrupt or a cancellation ends the child.

    Raises:
        KeyboardInterrupt: the render was interrupted or cancelled.
        UsageError: the child failed; the message holds the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as name:
        folder = Path(name)
        orders = _orders(folder, frame, animation=animation)
        factory = ("--factory-startup",) if bpy.app.factory_startup else ()
        view = _View(folder, _frames(frame, animation=animation))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command(child.__file__, orders, options=factory),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            while process.poll() is None:
                view.update()
                await asyncio.sleep(_POLL)
            view.finish(process.returncode)
        except (asyncio.CancelledError, KeyboardInterrupt):
            view.say("interrupted")
            raise KeyboardInterrupt from None
        finally:
            process.kill()
            process.wait()


def _orders(folder: Path, frame: int | None, *, animation: bool) -> str:
    scene = bpy.context.scene
    file = folder / "scene.blend"
    with redirect_stdout(None):  # "Saved copy"
        bpy.ops.wm.save_as_mainfile(filepath=str(file), copy=True, check_existing=False)
    orders = {
        "file": str(file),
        "scene": scene.name,
        "folder": str(folder),
        "output": bpy.path.abspath(scene.render.filepath),
        # If this Blender has refused the file's scripts, the child refuses them too.
        "scripts": not bpy.app.autoexec_fail,
        "frame": frame,
        "animation": animation,
    }
    return json.dumps(orders)


def _frames(frame: int | None, *, animation: bool) -> range:
    scene = bpy.context.scene
    if animation:
        return range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
    shown = scene.frame_current if frame is None else frame
    return range(shown, shown + 1)


def _newest(folder: Path) -> Path:
    return max(folder.glob("frame-*.png"), key=lambda file: file.stat().st_mtime_ns)


class _View:
    """The cell's output: a bar, for an animation also the latest frame, then the picture.

    Args:
        folder: the folder of the child's pictures and log.
        frames: the frames to render.
    """

    def __init__(self, folder: Path, frames: range) -> None:
        self._folder = folder
        self._frames = frames
        self._pictures = 0
        self._shown = ""
        self._bar = display(_Bar(0.0, "starting Blender"), display_id=True)
        self._frame = display(_Nothing(), display_id=True) if len(frames) > 1 else None

    def update(self) -> None:
        """Update the bar and the latest frame."""
        done = len(list(self._folder.glob("frame-*.png")))
        within, text = self._samples()
        if done > self._pictures and self._frame is not None:
            self._frame.update(Image(_newest(self._folder).read_bytes()))
        self._pictures = done
        if self._frame is not None:
            text = f"frame {min(done + 1, len(self._frames))} of {len(self._frames)}, {text}"
        if text != self._shown:
            self._shown = text
            self._bar.update(_Bar(min(1.0, (done + within) / len(self._frames)), text))

    def _samples(self) -> tuple[float, str]:
        found = _SAMPLE.findall(self._log()[-4096:])
        if not found:
            return 0.0, "starting Blender" if not self._pictures else "preparing"
        sample, samples = map(int, found[-1])
        return sample / max(samples, 1), f"sample {sample} of {samples}"

    def _log(self) -> bytes:
        return (self._folder / "log").read_bytes()

    def say(self, text: str) -> None:
        """Replace the bar by a text on how the render ended."""
        done = f": {self._shown}" if self._shown else ""
        self._bar.update(_Text(f"Render {text}{done}"))

    def finish(self, status: int) -> None:
        """Show the picture in place of the bar, or raise UsageError if there is none."""
        self.update()
        if status or not self._pictures:
            self.say("failed")
            message = f"%render: Blender ended with status {status}:\n{self._last_lines()}"
            raise UsageError(message)
        picture = Image(_newest(self._folder).read_bytes())
        if self._frame is None:
            self._bar.update(picture)
            return
        self._frame.update(picture)
        where = bpy.path.abspath(bpy.context.scene.render.filepath)
        self._bar.update(_Text(f"{self._pictures} frames in {where}"))

    def _last_lines(self) -> str:
        lines = self._log().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines[-_LAST_LINES:] if line.strip())


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _Nothing(_Text):
    def __init__(self) -> None:
        super().__init__("")


class _Bar(_Text):
    def __init__(self, share: float, text: str) -> None:
        super().__init__(f"Rendering {share:4.0%}  {text}")
        self._share = share
        self._words = text

    def _repr_html_(self) -> str:
        bar = f'<progress max="1" value="{self._share:.4f}"></progress>'
        return f"{bar} {self._share:.0%}, {html.escape(self._words)}"
