"""The cases of each topic. See :mod:`parity.case` for how to add one."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from . import (
    asyncio_,
    debugging,
    display,
    errors,
    interrupts,
    libraries,
    magics,
    namespace,
    processes,
    signals,
    streams,
    threads,
)

if TYPE_CHECKING:
    from parity.case import Case

__all__ = ["CASES"]

_TOPICS = (
    streams,
    threads,
    asyncio_,
    namespace,
    errors,
    magics,
    debugging,
    processes,
    signals,
    interrupts,
    display,
    libraries,
)
CASES: tuple[Case, ...] = tuple(chain.from_iterable(topic.CASES for topic in _TOPICS))
