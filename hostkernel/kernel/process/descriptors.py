"""File descriptors 1 and 2, which a cell may close or redirect below Python."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["DescriptorCopy", "StandardDescriptors"]

_NUMBERS = (1, 2)

_Identity = tuple[int, int, int] | None


class DescriptorCopy:
    """A copy of a file descriptor.

    A cell may close the copy, and its number may then belong to another file.

    Raises:
        OSError: the descriptor is not open.
    """

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)
        self._identity = identity(self.number)

    def leads_where(self, number: int) -> bool:
        """Whether the copy is intact, and the descriptor ``number`` leads to the same file."""
        return identity(self.number) == self._identity == identity(number)

    def put_back(self, number: int) -> None:
        """Make the descriptor ``number`` lead to the same file again, if the copy is intact."""
        if identity(self.number) == self._identity != identity(number):
            os.dup2(self.number, number)

    def close(self) -> None:
        """Close the copy, unless its number belongs to another file by now."""
        if identity(self.number) == self._identity:
            os.close(self.number)


class StandardDescriptors:
    """Puts descriptors 1 and 2 back that a cell has changed. Used on the kernel's thread.

    A cell that redirects them on purpose may do so for the cells that follow, so only a restart
    or stop puts them back. What the host does to them between cells is the host's.
    """

    def __init__(self) -> None:
        self._copies: dict[int, DescriptorCopy] = {}
        self._before: dict[int, _Identity] = {}
        self._changed: set[int] = set()

    def cell_begins(self) -> None:
        """Note where the descriptors lead."""
        for number in _NUMBERS:
            self._before[number] = identity(number)
            if number not in self._changed:
                self._keep(number)

    def _keep(self, number: int) -> None:
        copy = self._copies.get(number)
        if copy is not None:
            if copy.leads_where(number):
                return
            self._copies.pop(number).close()
        with suppress(OSError):  # an application without a console has none
            self._copies[number] = DescriptorCopy(number)

    def cell_ended(self) -> None:
        """Note which descriptors the cell has changed."""
        self._changed |= {
            number for number in self._before if identity(number) != self._before[number]
        }

    def heal(self) -> None:
        """Put back the descriptors that cells have changed."""
        for number in self._changed & self._copies.keys():
            self._copies[number].put_back(number)
        self._changed.clear()

    def close(self) -> None:
        """Put back the descriptors that cells have changed, and close all copies."""
        self.heal()
        while self._copies:
            self._copies.popitem()[1].close()


def identity(number: int) -> _Identity:
    """The identity of the file behind a descriptor, None if the descriptor is not open."""
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev
