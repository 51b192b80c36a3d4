"""A command in a terminal, as a user sees it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.world import SECONDS

if TYPE_CHECKING:
    from support.world import World

__all__ = ["Terminal"]

_IN_TERMINAL = (
    "import os, sys; os.login_tty(0);"
    "os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
)


class Terminal:
    """A command in a terminal of its own: ``python -m MODULE ARGS``."""

    def __init__(self, world: World, *args: str, module: str = "hostkernel") -> None:
        self._near, far = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, module, *args],
            env=world.env | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            cwd=world.folder,
            stdin=far,
            stdout=far,
            stderr=far,
        )
        os.close(far)

    def until(self, text: str) -> str:
        """All that was shown, once ``text`` is."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            ready, _, _ = select.select([self._near], [], [], deadline - time.monotonic())
            if not ready:
                pytest.fail(f"no {text!r} in {self.shown}")
            try:
                self.shown += os.read(self._near, 65536).decode()
            except OSError:
                pytest.fail(f"it ended without {text!r}: {self.shown}")
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._near, text.encode())

    def hang_up(self) -> None:
        """Close the terminal, as a click on its window's cross does."""
        os.close(self._near)
        self._near = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._near)
