"""Errors of what cells left behind in the host: callbacks, slots, timers.

Between cells ``sys.excepthook`` is the host's own, and some applications end on an uncaught error.
Where the adapter says so, this hook precedes the host's from the first cell to the stop: errors
of cells' code go to the client, all others to the host as before.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING

from ipykernel.compiler import get_tmp_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from hostkernel.host import ExceptHook, Host

__all__ = ["LateErrors"]

log = logging.getLogger("hostkernel.kernel")


class LateErrors:
    """The hook that shows errors of cells' code to the client. On the kernel's thread.

    Args:
        host: the adapter, which knows what the host does with an error.
        namespace: returns the cells' current namespace.
        tell: called with the text to show to the client.
    """

    def __init__(
        self,
        host: Host,
        namespace: Callable[[], Mapping[str, object]],
        tell: Callable[[str], None],
    ) -> None:
        self._host = host
        self._namespace = namespace
        self._tell: Callable[[str], None] | None = tell
        self._cells = get_tmp_directory()  # where the files of cells would be
        self._before: ExceptHook | None = None
        self._hosts: ExceptHook | None = None
        self._hook: ExceptHook = self._show

    def watch(self) -> None:
        """Install the hook before a cell, if the adapter wants one."""
        if self._before is not None:
            return
        hook = self._host.excepthook()
        if hook is not None:
            self._before, self._hosts = sys.excepthook, hook
            sys.excepthook = self._hook

    def close(self) -> None:
        """Put the host's hook back if this one is in force.

        Code that has kept this hook reaches the host's hook through it.
        """
        self._tell = None
        if self._before is not None:
            self._hosts = self._before
            if sys.excepthook is self._hook:
                sys.excepthook = self._before

    def _show(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if self._tell is not None and self._is_a_cells(trace):
            log.info("a callback that a cell left behind failed: %r", error)
            self._tell("".join(traceback.format_exception(kind, error, trace)))
        elif self._hosts is not None:
            self._hosts(kind, error, trace)

    def _is_a_cells(self, trace: TracebackType | None) -> bool:
        namespace = self._namespace()
        return any(
            frame.f_globals is namespace or frame.f_code.co_filename.startswith(self._cells)
            for frame, _ in traceback.walk_tb(trace)
        )
