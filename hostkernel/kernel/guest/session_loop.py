"""An asyncio loop on which the callbacks and tasks of cells run as steps of the session.

For a loop that is the kernel's own.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVarTuple

from hostkernel.kernel.base.context import in_a_cell

from .plain_loops import OwnLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

__all__ = ["Session", "SessionLoop", "error_text"]

Arguments = TypeVarTuple("Arguments")


class Session:
    """What the loop asks of the session. This one has no steps: all callbacks are the host's.

    Attributes:
        inside: whether a step runs.
    """

    inside = False

    def callback(self, handle: asyncio.Handle) -> AbstractContextManager[None] | None:
        """Make what is to be entered around a callback of a cell; None once the kernel stops."""

    def told(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Tell a client of a cell's error, given the context of asyncio's exception handler.

        Returns:
            False if it is no cell's.
        """
        return False


class _CellHandle(asyncio.Handle):
    """What a cell gets of a callback: upstream's, which cancels the step around it too."""

    outer: asyncio.Handle

    def cancel(self) -> None:
        super().cancel()
        self.outer.cancel()


class _CellTimer(asyncio.TimerHandle):
    """The same of a callback that comes later."""

    outer: asyncio.Handle

    def cancel(self) -> None:
        super().cancel()
        self.outer.cancel()


# As they are shown.
_CellHandle.__name__, _CellTimer.__name__ = "Handle", "TimerHandle"


class SessionLoop(OwnLoop):
    """See the module.

    A callback of a cell is put into a handle of asyncio's own, so that its errors are worded
    and its context is entered as ever; what the loop calls is the step around it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.session = Session()

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call it soon, as a step of the session if it descends from a cell."""
        if not _is_of_a_cell(context):
            return super().call_soon(callback, *args, context=context)
        handle = _CellHandle(callback, args, self, context)
        handle.outer = super().call_soon(self._run_step, handle, context=Context())
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call it then, as a step of the session if it descends from a cell."""
        if not _is_of_a_cell(context):
            return super().call_at(when, callback, *args, context=context)
        handle = _CellTimer(when, callback, args, self, context)
        handle.outer = super().call_at(when, self._run_step, handle, context=Context())
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call it soon, from any thread, as a step of the session if it descends from a cell."""
        if not _is_of_a_cell(context):
            return super().call_soon_threadsafe(callback, *args, context=context)
        handle = _CellHandle(callback, args, self, context)
        handle.outer = super().call_soon_threadsafe(self._run_step, handle, context=Context())
        return handle

    def _run_step(self, handle: asyncio.Handle) -> None:
        with self.session.callback(handle) or nullcontext():
            handle._run()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error that nobody has awaited; a cell's is shown to its client."""
        own = self.get_exception_handler() is not None
        if own or not self.session.told(context):
            super().call_exception_handler(context)


def _is_of_a_cell(context: Context | None) -> bool:
    return in_a_cell.get() if context is None else context.get(in_a_cell, False)


def error_text(context: Mapping[str, Any]) -> str:
    """Say what asyncio's own handler logs of such an error."""
    lines = [context.get("message") or "Unhandled exception in event loop"]
    told = ("message", "exception", "source_traceback", "handle_traceback")
    lines += [f"{key}: {context[key]!r}" for key in sorted(context) if key not in told]
    error = context.get("exception")
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "\n".join(lines), None, info)
    return f"{logging.Formatter().format(record)}\n"
