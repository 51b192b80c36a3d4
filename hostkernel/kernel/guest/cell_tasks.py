"""The asyncio tasks that cells started, kept apart from the kernel's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hostkernel.kernel.base.context import in_a_cell, request_header

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

__all__ = ["CellTasks", "contained"]


class CellTasks:
    """A task factory that remembers which tasks cells started, for a loop that the kernel owns."""

    def __init__(self) -> None:
        self._tasks: WeakKeyDictionary[asyncio.Future[Any], Mapping[str, Any] | None]
        self._tasks = WeakKeyDictionary()

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, /, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Make a task as asyncio does without a factory, and remember it if a cell started it."""
        task = asyncio.Task(coroutine, loop=loop, **kwargs)
        if in_a_cell.get():
            self._tasks[task] = request_header.get(None)
        return task

    def header(self, task: asyncio.Future[Any] | None) -> Mapping[str, Any] | None:
        """The header of the request that started ``task``, None if no cell did."""
        return None if task is None else self._tasks.get(task)

    def cancel(self, keep: Collection[asyncio.Task[None]]) -> None:
        """Cancel the tasks that cells started, except ``keep``. On the loop's thread."""
        for task in tuple(self._tasks):
            if task not in keep:
                task.cancel()


def contained(create_task: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``create_task`` of the host's loop so that a task of a cell cannot end that loop.

    asyncio passes SystemExit and KeyboardInterrupt on to the code that runs the loop.
    """

    def create(coroutine: Any, **kwargs: Any) -> Any:
        if in_a_cell.get() and asyncio.iscoroutine(coroutine):
            coroutine = _Contained(coroutine)
        return create_task(coroutine, **kwargs)

    return wraps(create_task)(create)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that turns SystemExit and KeyboardInterrupt into errors of the same name."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # asyncio reads these to show what a task runs

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coroutine.__await__())

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _without_end(error) from error

    def throw(self, *error: Any) -> Any:
        try:
            return self._coroutine.throw(*error)
        except (SystemExit, KeyboardInterrupt) as raised:
            raise _without_end(raised) from raised

    def close(self) -> None:
        self._coroutine.close()


def _without_end(error: BaseException) -> Exception:
    kind: type[Exception] = type(type(error).__name__, (Exception,), {})
    return kind(*error.args)
