"""What descends from cells: threads, pooled work, tasks and callbacks; all else is the host's."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from functools import wraps
from traceback import walk_tb
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hostkernel.kernel.base.context import request_header
from hostkernel.kernel.base.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

__all__ = ["Threads", "is_service_thread"]


class Threads:
    """Distinguishes what cells started from what is the host's: threads, pooled work, callbacks.

    Threads begin without a context, so ``Thread.start`` and ``ThreadPoolExecutor.submit`` are
    monkey-patched while the kernel runs. A thread that C code started, and a callback that the
    host calls later, are recognised by a function of the cells' namespace on their stack.

    Attributes:
        latest: the header of the request that ran last.
        namespace: the cells' current namespace.
    """

    def __init__(self) -> None:
        self.latest: Mapping[str, Any] = {}
        self.namespace: object = None
        self._kernels_own_work = False
        self._cells: WeakKeyDictionary[threading.Thread, Mapping[str, Any]] = WeakKeyDictionary()
        self._closed = False
        self._patches = (
            Patch(threading.Thread, "start", self._wrap_start),
            Patch(ThreadPoolExecutor, "submit", self._wrap_submit),
        )

    def _wrap_start(self, start: Callable[..., None]) -> Callable[..., None]:
        def wrapper(thread: threading.Thread) -> None:
            header = self.parent()
            if header is not None:
                self._cells[thread] = header
            start(thread)

        return wraps(start)(wrapper)

    def _wrap_submit(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(pool: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            header = self.parent()
            if header is None:
                return submit(pool, function, *args, **kwargs)
            # A context rather than a wrapper function, which tracebacks would show.
            context = Context()
            context.run(request_header.set, header)
            return submit(pool, context.run, function, *args, **kwargs)

        return wraps(submit)(wrapper)

    def parent(self) -> Mapping[str, Any] | None:
        """The header of the request that the caller descends from, None for the host's code."""
        if self._closed:
            return None
        if header := request_header.get(None):
            return header
        thread = threading.current_thread()
        if thread in self._cells:
            return self._cells[thread]
        if is_service_thread() or not self._is_on_stack():
            return None
        return self.latest

    def of_cells(self) -> list[threading.Thread]:
        """The living threads that cells have started. Any thread."""
        return [thread for thread in threading.enumerate() if thread in self._cells]

    def _is_on_stack(self) -> bool:
        frame, namespace = sys._getframe(2), self.namespace
        while frame is not None:
            if frame.f_globals is namespace:
                return True
            frame = frame.f_back  # type: ignore[assignment]
        return False

    def is_from_cells(self, traceback: TracebackType | None) -> bool:
        """Whether a traceback contains a function of the cells' namespace."""
        return any(frame.f_globals is self.namespace for frame, _ in walk_tb(traceback))

    @property
    def is_session(self) -> bool:
        """Whether the caller belongs to the kernel: session, services, or set-up of a session."""
        return self._kernels_own_work or is_service_thread() or self.parent() is not None

    @contextmanager
    def kernels_own_work(self) -> Iterator[None]:
        """Count what runs inside as the kernel's: it sets up a session, on its own thread."""
        self._kernels_own_work = True
        try:
            yield
        finally:
            self._kernels_own_work = False

    def close(self) -> list[str]:
        """Undo the monkey-patches; return a sentence for each that was wrapped by others since."""
        self._closed = True
        self.namespace = None  # a stream that is still referenced would keep it alive
        return [left for patch in self._patches if (left := patch.close())]


def is_service_thread() -> bool:
    """Whether the caller is one of the kernel's own threads, which flush after each message.

    A host's stream may belong to the main thread, so these threads must not touch it.
    """
    return hasattr(threading.current_thread(), "pydev_do_not_trace")
