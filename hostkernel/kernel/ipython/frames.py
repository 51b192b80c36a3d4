"""Tracebacks as the user knows them, without the frames of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["hide_ours"]

_OURS = "hostkernel.kernel."


def hide_ours(error: BaseException | None) -> None:
    """Remove this package's frames from the tracebacks of an error and of its related errors.

    The frames are there because this package wraps what a cell calls, or because an interrupt
    came through one of its handlers: they tell the user nothing, and rendering them takes time.
    Rejected: IPython's ``__tracebackhide__``, which tells the user how many frames are hidden.
    """
    for each in _all(error):
        each.__traceback__ = _without_ours(each.__traceback__)


def _all(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and, recursively, its cause, its context and the errors of its group."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    kept = traceback
    while kept is not None:
        while kept.tb_next is not None and _is_ours(kept.tb_next):
            kept.tb_next = kept.tb_next.tb_next
        kept = kept.tb_next
    return traceback


def _is_ours(traceback: TracebackType) -> bool:
    return str(traceback.tb_frame.f_globals.get("__name__", "")).startswith(_OURS)
