"""Steps of the session that are not requests: cells' callbacks and tasks, and their errors."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from hostkernel.kernel.base.context import in_a_cell, request_header
from hostkernel.kernel.guest.session_loop import Session, error_text

from .frames import hide_ours

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from hostkernel.kernel.guest.cell_tasks import CellTasks

    from .services import Owner

__all__ = ["SessionSteps"]


class SessionSteps(Session):
    """The session as its event loop sees it, on the kernel's thread.

    Args:
        owner: the embedding of the session.
        tasks: the tasks that cells started.
    """

    def __init__(self, owner: Owner, tasks: CellTasks) -> None:
        self._owner: Owner | None = owner
        self._tasks = tasks

    @property
    def inside(self) -> bool:  # type: ignore[override]
        """Whether a step of the session runs."""
        return self._owner is not None and self._owner.names.inside

    def end(self) -> None:
        """Leave to the host what cells have left behind, because the kernel stops."""
        self._owner = None

    def callback(self, handle: asyncio.Handle) -> AbstractContextManager[None] | None:
        """See :class:`Session`."""
        return None if self._owner is None else self._step(self._owner, handle)

    @contextmanager
    def _step(self, owner: Owner, handle: asyncio.Handle) -> Iterator[None]:
        header = _context(handle).get(request_header) or owner.threads.latest
        with ExitStack() as stack:
            if owner.host.undisturbed:
                stack.enter_context(owner.kernel.iopub_thread.undisturbed())
            stack.enter_context(owner.surroundings(dict(header)))
            yield

    def told(self, context: Mapping[str, Any]) -> bool:
        """See :class:`Session`."""
        owner = self._owner
        header = None if owner is None else self._header(owner, context)
        if owner is None or header is None or not owner.streams:
            return False
        hide_ours(context.get("exception"))
        owner.streams[1].write_for(header, error_text(context))
        return True

    def _header(self, owner: Owner, context: Mapping[str, Any]) -> Mapping[str, Any] | None:
        within = _context(context.get("handle"))
        if within.get(in_a_cell):
            return within.get(request_header) or owner.threads.latest
        header = self._tasks.header(context.get("task") or context.get("future"))
        traceback = getattr(context.get("exception"), "__traceback__", None)
        if header is None and owner.threads.is_from_cells(traceback):
            return owner.threads.latest
        return header


def _context(handle: Any) -> Mapping[Any, Any]:
    # A private attribute; handles of a loop that is not asyncio's lack it.
    return getattr(handle, "_context", {})
