"""What takes a start down again, and what it could not put back."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["StopReport", "Undo"]

log = logging.getLogger("hostkernel.kernel")


@dataclass(frozen=True)
class StopReport:
    """What a stop could not put back: one sentence each, none if all was put back."""

    left: tuple[str, ...] = ()


class Undo(ExitStack):
    """The steps that take one start down, the last one first. On the kernel's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._left: list[str] = []

    def reporting(self, step: Callable[[], Iterable[str]]) -> None:
        """Add a step that returns a sentence for each thing that it leaves as it is."""
        self.callback(lambda: self._left.extend(step()))

    def take_down(self) -> StopReport:
        """Take every step, outside any step of the kernel's loop."""
        try:
            self.close()
        except Exception:
            log.exception("the kernel could not be taken down in full")
            self._left.append("a step of the stop failed; see the log")
        return StopReport(tuple(self._left))
