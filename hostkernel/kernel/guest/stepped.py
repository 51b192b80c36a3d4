"""A coroutine, step by step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hostkernel.kernel.base.boundaries import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

__all__ = ["Stepped"]


class Stepped:
    """Awaits a coroutine with a context entered around each of its steps.

    A suspended ``await`` never holds the context. This is no generator: where one returns to its
    caller, a user who steps through a cell with pdb would be shown its frame.

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

    def __await__(self) -> Stepped:
        return self

    def __iter__(self) -> Stepped:
        return self

    def __next__(self) -> Any:
        __tracebackhide__ = True
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on with what the coroutine waited for."""
        __tracebackhide__ = True
        return self._step(partial(self._coroutine.send, value))

    def throw(self, error: Any, *more: Any) -> Any:
        """Go on with an error in its place."""
        __tracebackhide__ = True
        return self._step(partial(self._coroutine.throw, error, *more))

    def close(self) -> None:
        """Give the coroutine up."""
        self._coroutine.close()

    @boundary
    def _step(self, step: Callable[[], Any]) -> Any:
        __tracebackhide__ = True
        try:
            with self._context():
                return step()
        except BaseException:
            self._coroutine.close()  # which has ended, unless the context raised this
            raise
