"""A coroutine that is run step by step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hostkernel.kernel.base.boundaries import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

__all__ = ["Stepped"]


class Stepped:
    """An awaitable that runs a coroutine with a context entered around each of its steps.

    A suspended ``await`` never holds the context. Rejected: a generator, because pdb shows its
    frame to a user who steps through a cell, where the generator returns to its caller.

    Args:
        coroutine: what to await.
        context: makes the context manager for one step. An exception on entering it is raised
            from the ``await``.
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
        """Run the next step with the value that the coroutine waited for."""
        __tracebackhide__ = True
        return self._step(partial(self._coroutine.send, value))

    def throw(self, error: Any, *more: Any) -> Any:
        """Run the next step with an error in place of that value."""
        __tracebackhide__ = True
        return self._step(partial(self._coroutine.throw, error, *more))

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    @boundary
    def _step(self, step: Callable[[], Any]) -> Any:
        __tracebackhide__ = True
        try:
            with self._context():
                return step()
        except BaseException:
            self._coroutine.close()  # it has ended, unless the context raised
            raise
