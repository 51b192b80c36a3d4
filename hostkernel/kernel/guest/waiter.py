"""The thread that waits for the kernel's loop and asks the host for slices."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from hostkernel.kernel.base.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

    from .pump import PumpSelector

__all__ = ["Waiter"]

log = logging.getLogger("hostkernel.kernel")

_REPEAT = 1.0  # seconds until a wake without a tick is repeated; doubled each time
_LONGEST_REPEAT = 30.0  # seconds
_LONGEST_WAIT = 86_400.0  # seconds; the system's limit is 24 days
_AFTER_FAILURE = 1.0  # seconds from a failure of the waiter to its next attempt


class Waiter(threading.Thread):
    """A thread that waits for the loop's file descriptors and deadline, then calls ``wake``.

    After each ``wake`` it watches nothing until :meth:`resume`, because the descriptors stay
    ready until the slice has run. It repeats a ``wake`` that no slice has followed: the host may
    have dropped the wake, or an exception may have hit the code that followed it.

    Args:
        selector: the loop's selector.
        wake: asks the host for a slice.
        is_turning: whether a slice is running.
    """

    def __init__(
        self,
        selector: PumpSelector,
        wake: Callable[[], None],
        is_turning: Callable[[], bool],
    ) -> None:
        super().__init__(name="hostkernel waiter", daemon=True)
        # For the debugger: a breakpoint must not stop this thread.
        self.pydev_do_not_trace = True
        self.is_pydev_daemon_thread = True
        self._selector = selector
        self._wake = wake
        self._is_turning = is_turning
        self._resumed = threading.Event()
        self._closing = False
        self._failing = False
        self._near, self._far = socket.socketpair()
        self._far.setblocking(False)

    def resume(self) -> None:
        """Wait for the next reason to run a slice, now that the last slice is over."""
        self._resumed.set()

    def close(self) -> None:
        """End the thread and wait for it."""
        self._closing = True
        self._near.send(b"\0")
        self._resumed.set()
        if self.ident is not None:
            self.join()
        self._near.close()
        self._far.close()

    def run(self) -> None:
        """Run until :meth:`close`, whatever fails: without this thread the kernel is dead."""
        while not self._closing:
            try:
                self._watch()
            except BaseException:
                self._failed()

    def _failed(self) -> None:
        if not self._failing:
            log.exception("the thread that wakes the host failed; it goes on")
        self._failing = True
        self._resumed.wait(_AFTER_FAILURE)

    def _watch(self) -> None:
        with selectors.DefaultSelector() as watch:
            watch.register(self._far, selectors.EVENT_READ)
            while not self._closing:
                self._wait(watch)
                self._resumed.clear()
                # Check after clearing: close() sets both, in the opposite order.
                if self._closing:
                    return
                self._wake()
                self._failing = False
                self._wake_again()

    def _wake_again(self) -> None:
        pause = _REPEAT
        while not self._resumed.wait(pause):
            if not self._is_turning():
                if pause == _REPEAT:
                    log.info("the host was asked for a turn and gave none; it is asked again")
                self._wake()
            pause = min(2 * pause, _LONGEST_REPEAT)

    def _wait(self, watch: selectors.BaseSelector) -> None:
        deadline = self._selector.deadline
        timeout = None if deadline is None else max(0.0, deadline - monotonic())
        wanted = _waitable(self._selector)
        watched = {key.fileobj for key in watch.get_map().values()} - {self._far}
        for descriptor in watched - wanted:
            watch.unregister(descriptor)
        for descriptor in wanted - watched:
            watch.register(descriptor, selectors.EVENT_READ)
        watch.select(timeout and min(timeout, _LONGEST_WAIT))


def _waitable(selector: selectors.BaseSelector) -> set[FileDescriptorLike]:
    # epoll and kqueue have a file descriptor of their own; without one (Windows), every
    # registered socket is watched. The map cannot change here, because no slice is running.
    fileno = getattr(selector, "fileno", None)
    if fileno is not None:
        return {fileno()}
    return {key.fileobj for key in selector.get_map().values() if key.events}
