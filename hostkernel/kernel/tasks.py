"""The asyncio tasks that cells started, told from the kernel's own."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .threads import request_header

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["CellTasks", "in_a_cell"]

in_a_cell: ContextVar[bool] = ContextVar("in_a_cell", default=False)
"""True in the context of a cell, which all that it starts inherits."""


class CellTasks:
    """Remembers them as they are made. A task factory, for a loop that is the kernel's own."""

    def __init__(self) -> None:
        self._tasks: WeakKeyDictionary[asyncio.Future[Any], Mapping[str, Any] | None]
        self._tasks = WeakKeyDictionary()

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, /, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Make a task, as asyncio does where there is no factory."""
        task = asyncio.Task(coroutine, loop=loop, **kwargs)
        if in_a_cell.get():
            self._tasks[task] = request_header.get(None)
        return task

    def header(self, task: asyncio.Future[Any] | None) -> Mapping[str, Any] | None:
        """The header of the request that started ``task``, None if it is no cell's."""
        return None if task is None else self._tasks.get(task)

    def cancel(self, keep: Collection[asyncio.Task[None]]) -> None:
        """Cancel them, all but ``keep``. On the loop's thread."""
        for task in tuple(self._tasks):
            if task not in keep:
                task.cancel()
