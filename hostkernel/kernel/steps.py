"""A coroutine, step by step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .pursuit import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextlib import AbstractContextManager

__all__ = ["Stepped"]


class Stepped:
    """Awaits a coroutine with a context entered around each of its steps.

    A suspended ``await`` never holds the context.

    Args:
        coroutine: what to await.
        context: makes the context manager for one step. What it raises on entering is raised
            by the coroutine's caller.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._coroutine = coroutine
        self._context = context

    @boundary
    def __await__(self) -> Generator[Any, Any, Any]:
        step = partial(self._coroutine.send, None)
        try:
            while True:
                try:
                    with self._context():
                        yielded = step()
                except StopIteration as end:
                    return end.value
                step = yield from self._suspend(yielded)
        finally:
            self._coroutine.close()

    def _suspend(self, yielded: Any) -> Generator[Any, Any, partial[Any]]:
        try:
            sent = yield yielded
        except BaseException as error:
            # As without us: this frame is none of those that the error came through.
            behind = error.__traceback__.tb_next if error.__traceback__ is not None else None
            return partial(self._coroutine.throw, error.with_traceback(behind))
        return partial(self._coroutine.send, sent)
