"""The child Blender that renders small pictures. Inside only, on the main thread."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import studio
from .spawn import command, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PaintingError", "close", "paint"]

_STARTED_WITHIN = 60.0  # seconds, on a loaded machine
_PAINTED_WITHIN = 30.0
_LOOK = 0.005
# The child must not run the user's preferences, add-ons, or scripts inside a file.
_OPTIONS = ("--factory-startup", "--disable-autoexec", "-noaudio")
_USERS_FOLDERS = ("RESOURCES", "CONFIG", "SCRIPTS", "DATAFILES", "EXTENSIONS")
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")

_painter: Painter | None = None


class PaintingError(Exception):
    """The child made no picture."""


def paint(write: Callable[[str], object], order: Mapping[str, Any]) -> bytes:
    """Let the child make a picture of the file that ``write`` writes.

    The child starts with the first order and ends after a while without orders. An interrupt or
    a timeout kills the child.

    Args:
        write: called once, with the name of the file.
        order: ``kind`` and what :mod:`.studio` needs for that kind.

    Raises:
        PaintingError: the child made no picture.
    """
    painter = _ready()
    try:
        return painter.paint(write, order)
    finally:
        if painter.is_at_work:
            close()


def _ready() -> Painter:
    global _painter
    if _painter is None or not _painter.takes_orders():
        close()
        _painter = Painter()
    return _painter


def close() -> None:
    """End the child, if there is one."""
    global _painter
    painter, _painter = _painter, None
    if painter is not None:
        painter.close()


class Painter:
    """One child Blender."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hostkernel-"))
        self._count = 0
        self.is_at_work = False
        self._owner = os.getpid()
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command(studio.__file__, str(self._folder), options=_OPTIONS),
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _environment(self) -> dict[str, str]:
        empty = {f"BLENDER_USER_{name}": str(self._folder / "user") for name in _USERS_FOLDERS}
        return environment() | empty | dict.fromkeys(_TEMPORARY, str(self._folder))

    def takes_orders(self) -> bool:
        """Whether the child is alive and was started by this process, which may be a forked one."""
        return self._owner == os.getpid() and self._process.poll() is None

    def paint(self, write: Callable[[str], object], order: Mapping[str, Any]) -> bytes:
        """Return one picture; ``is_at_work`` is True until the child has answered."""
        self._count += 1
        picture = self._folder / f"{self._count}.png"
        source = self._folder / f"{self._count}.source"
        write(str(source))
        self.is_at_work = True
        self._send({**order, "file": str(source), "picture": str(picture)})
        answer = self._wait(picture)
        self.is_at_work = False
        data = answer.read_bytes()
        source.unlink()
        answer.unlink()
        if answer != picture:
            raise PaintingError(data.decode(errors="replace"))
        return data

    def _send(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def _wait(self, picture: Path) -> Path:
        answers = (picture, picture.with_suffix(".failed"))
        deadline = time.monotonic() + (_STARTED_WITHIN if self._count == 1 else _PAINTED_WITHIN)
        while True:
            for answer in answers:
                if answer.exists():
                    return answer
            if self._process.poll() is not None:
                raise PaintingError(self._log())
            if time.monotonic() > deadline:
                raise PaintingError("it takes too long")
            time.sleep(_LOOK)

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """Kill the child and delete its folder; do nothing in a process that did not start it."""
        if self._owner != os.getpid():
            return
        self._process.kill()
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
