"""Descriptors 1 and 2, which a cell may close or redirect below Python."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["StandardDescriptors"]

_NUMBERS = (1, 2)

_Identity = tuple[int, int, int] | None


class StandardDescriptors:
    """Puts them back where a cell has left them elsewhere. Used on the kernel's thread.

    A cell that redirects them on purpose may do so for the cells that follow, so they are put
    back by a restart or stop. What the host does to them between cells is the host's.
    """

    def __init__(self) -> None:
        self._copies: dict[int, int] = {}
        self._before: dict[int, _Identity] = {}
        self._changed: set[int] = set()

    def cell_begins(self) -> None:
        """Note where they lead."""
        for number in _NUMBERS:
            self._before[number] = _identity(number)
            if number not in self._changed:
                self._keep(number)

    def _keep(self, number: int) -> None:
        copy = self._copies.get(number)
        if copy is not None and _identity(copy) == self._before[number]:
            return
        if copy is not None:
            os.close(self._copies.pop(number))
        with suppress(OSError):  # an application without a console has none
            self._copies[number] = os.dup(number)

    def cell_ended(self) -> None:
        """Note which of them the cell has changed."""
        self._changed |= {
            number for number in self._before if _identity(number) != self._before[number]
        }

    def heal(self) -> None:
        """Put back what cells have changed."""
        for number in self._changed & self._copies.keys():
            if _identity(number) != _identity(self._copies[number]):
                os.dup2(self._copies[number], number)
        self._changed.clear()

    def close(self) -> None:
        """Put back what cells have changed, and forget the host's."""
        self.heal()
        while self._copies:
            os.close(self._copies.popitem()[1])


def _identity(number: int) -> _Identity:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev
