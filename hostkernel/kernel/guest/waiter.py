"""The thread that waits for the kernel's loop and asks the host for its slices."""

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

_REPEAT = 1.0  # seconds until a wake that no tick has followed is repeated; doubled each time
_LONGEST_REPEAT = 30.0  # seconds
_LONGEST_WAIT = 86_400.0  # seconds; the system's limit is 24 days
_AFTER_FAILURE = 1.0  # seconds from a failure of the waiter's to its next attempt


class Waiter(threading.Thread):
    """Waits for the loop's descriptors and deadline off the main thread, then calls ``wake``.

    After each ``wake`` it stays quiet until :meth:`resume`: the descriptors are ready until
    the slice has run. A wake may be lost, be it that the host dropped it or that an exception
    hit what followed it: after a while it is repeated.

    Args:
        selector: the loop's.
        wake: asks the host for a slice.
        is_turning: whether one is running.
    """

    def __init__(
        self,
        selector: PumpSelector,
        wake: Callable[[], None],
        is_turning: Callable[[], bool],
    ) -> None:
        super().__init__(name="hostkernel waiter", daemon=True)
        # Read by the debugger: a breakpoint must not stop this thread.
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
        """The slice is over: wait for the next reason to run one."""
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
        """The thread's body. Without it the kernel is dead, so nothing ends it but close()."""
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
                # Looked at after the clearing: close() sets both, in the other order.
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
    # epoll and kqueue are descriptors themselves; where there is neither (Windows), every
    # registered socket is watched. Nobody changes the map meanwhile: no slice is running.
    fileno = getattr(selector, "fileno", None)
    if fileno is not None:
        return {fileno()}
    return {key.fileobj for key in selector.get_map().values() if key.events}
