"""What cells change in the process's root logger, and how it is put back.

Many notebooks call ``logging.basicConfig``, and IPython's magics cause that call by themselves
when they report an error. The host would have an additional handler from then on.
"""

from __future__ import annotations

import logging

__all__ = ["RootLog"]


class RootLog:
    """Remembers what cells change in the root logger. On the kernel's thread."""

    def __init__(self) -> None:
        self._root = logging.getLogger()
        self._found: list[logging.Handler] = []
        self._level = self._hosts_level = self._root.level
        self._cells: list[logging.Handler] = []
        self._cells_level: int | None = None

    def step_begins(self) -> None:
        """Begin a step of a cell: what is there by now is the host's, or an earlier cell's."""
        self._found = self._root.handlers[:]
        self._level = self._root.level

    def step_ends(self) -> None:
        """End a step of a cell: what is new is the cells'."""
        if self._root.handlers != self._found:
            self._cells += [each for each in self._root.handlers if each not in self._found]
        if self._root.level != self._level:
            if self._level != self._cells_level:
                self._hosts_level = self._level
            self._cells_level = self._root.level

    def clear(self) -> None:
        """Take back what cells have changed, at a restart or stop."""
        for handler in self._cells:
            self._root.removeHandler(handler)
        self._cells.clear()
        if self._cells_level is not None and self._root.level == self._cells_level:
            self._root.setLevel(self._hosts_level)
        self._cells_level = None
