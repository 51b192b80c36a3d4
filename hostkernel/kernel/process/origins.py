"""Whose code a frame runs: the cells', the host's, or a library's.

A cell that runs a nested loop of the host, or that emits a signal, has frames of the host above
its own. Python cannot tell a function that a cell calls from one that C calls back, so the origin
of the function has to decide.
"""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType

__all__ = ["Origins"]

_LIBRARIES = ("site-packages", "dist-packages", "<frozen")


class Origins:
    """Remembers which modules cells imported and which the host. On the kernel's thread.

    Args:
        namespace: returns the cells' current namespace.
        plumbing: names of modules through which the host's loop calls the kernel.
    """

    def __init__(
        self, namespace: Callable[[], Mapping[str, object]], plumbing: Iterable[str]
    ) -> None:
        self._namespace = namespace
        self._plumbing = frozenset(plumbing)
        self._hosts: set[str] = set()
        self._cells: set[str] = set()
        self._count = 0
        paths = sysconfig.get_paths()
        self._libraries = (*_LIBRARIES, paths["stdlib"], paths["platstdlib"])

    def step_begins(self) -> None:
        """Begin a step of a cell: what was imported since the last step is the host's."""
        self._sort(self._hosts, self._cells)

    def step_ends(self) -> None:
        """End a step of a cell: what was imported in it is the cells'."""
        self._sort(self._cells, self._hosts)

    def _sort(self, kind: set[str], other: set[str]) -> None:
        if len(sys.modules) != self._count:
            self._count = len(sys.modules)
            kind |= sys.modules.keys() - other

    def is_cells(self, frame: FrameType) -> bool:
        """Whether the frame runs a cell, or a function that a cell defined."""
        return frame.f_globals is self._namespace()

    def is_hosts(self, frame: FrameType) -> bool:
        """Whether the frame runs the host's own code, or the plumbing that its loop calls."""
        name = frame.f_globals.get("__name__")
        if self.is_cells(frame) or not isinstance(name, str):
            return False
        if name == "__main__" or name in self._plumbing:
            return True
        file = frame.f_code.co_filename
        return name in self._hosts and not any(place in file for place in self._libraries)

    def behind_the_host(self, frames: list[FrameType]) -> list[FrameType]:
        """The cell's frames if the innermost code outside of libraries is the host's, else none.

        Args:
            frames: the innermost first.
        """
        for frame in frames:
            if self.is_cells(frame):
                return []
            if self.is_hosts(frame):
                break
        inner = next((n for n, frame in enumerate(frames) if self.is_cells(frame)), len(frames))
        return frames[inner:]
