"""An asyncio loop on which the callbacks and tasks of cells run as steps of the session.

Used where the kernel owns the loop.
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
    """The session as the loop sees it.

    This default has no steps: all callbacks are the host's.

    Attributes:
        inside: whether a step is running.
    """

    inside = False

    def callback(self, handle: asyncio.Handle) -> AbstractContextManager[None] | None:
        """Return a context manager for one callback of a cell; None once the kernel stops."""

    def told(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Show a cell's error to a client, given the context of asyncio's exception handler.

        Returns:
            False if the error is not a cell's.
        """
        return False


class _CellHandle(asyncio.Handle):
    """The handle that a cell gets; cancelling it also cancels the step around the callback."""

    outer: asyncio.Handle

    def cancel(self) -> None:
        super().cancel()
        self.outer.cancel()


class _CellTimer(asyncio.TimerHandle):
    """The same for a callback at a later time."""

    outer: asyncio.Handle

    def cancel(self) -> None:
        super().cancel()
        self.outer.cancel()


# Cells see the names of asyncio's own classes.
_CellHandle.__name__, _CellTimer.__name__ = "Handle", "TimerHandle"


class SessionLoop(OwnLoop):
    """A loop on which the callbacks and tasks of cells run as steps of the session.

    A callback of a cell is put into a handle of asyncio's, so that asyncio words its errors and
    enters its context as usual; the loop calls the step around that handle.
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
        """Call ``callback`` soon, as a step of the session if the context is a cell's."""
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
        """Call ``callback`` at ``when``, as a step of the session if the context is a cell's."""
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
        """Do what :meth:`call_soon` does, from any thread."""
        if not _is_of_a_cell(context):
            return super().call_soon_threadsafe(callback, *args, context=context)
        handle = _CellHandle(callback, args, self, context)
        handle.outer = super().call_soon_threadsafe(self._run_step, handle, context=Context())
        return handle

    def _run_step(self, handle: asyncio.Handle) -> None:
        with self.session.callback(handle) or nullcontext():
            handle._run()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error that no code has awaited; show a cell's error to its client."""
        own = self.get_exception_handler() is not None
        if own or not self.session.told(context):
            super().call_exception_handler(context)


def _is_of_a_cell(context: Context | None) -> bool:
    return in_a_cell.get() if context is None else context.get(in_a_cell, False)


def error_text(context: Mapping[str, Any]) -> str:
    """Return the text that asyncio's own handler would log for such an error."""
    lines = [context.get("message") or "Unhandled exception in event loop"]
    told = ("message", "exception", "source_traceback", "handle_traceback")
    lines += [f"{key}: {context[key]!r}" for key in sorted(context) if key not in told]
    error = context.get("exception")
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "\n".join(lines), None, info)
    return f"{logging.Formatter().format(record)}\n"
