"""Run an asyncio loop in slices, from inside somebody else's main loop.

The primitive is a selector that never blocks: where asyncio would wait, it notes until when
and stops the loop, so that ``run_forever()`` drains what can run and returns. A waiter
thread does the waiting on the selector's own descriptor instead and asks the host for the
next slice (trio calls this guest mode). Public asyncio API only.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVarTuple

from hostkernel.errors import WrongThreadError

from .pursuit import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context

    from _typeshed import FileDescriptorLike

__all__ = ["Pump", "PumpSelector", "Waiter", "outer_loop_aside", "run_loop"]

log = logging.getLogger("hostkernel.kernel")

Arguments = TypeVarTuple("Arguments")


class PumpSelector(selectors.DefaultSelector):
    """A selector that, within a slice, stops the loop where asyncio would wait.

    Outside a slice, while the kernel is set up or taken down, it waits like any other.

    Attributes:
        deadline: when the loop wants to run again by itself, on the monotonic clock, None
            for never.
        busy_since: when the loop last had its turn, by the same clock, None while it waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deadline: float | None = None
        self.busy_since: float | None = None
        self._stop: Callable[[], None] | None = None
        self._slice_ends = 0.0

    @contextmanager
    def slice(self, stop: Callable[[], None], budget: float) -> Iterator[None]:
        """A slice that may last ``budget`` seconds; ``stop`` ends it."""
        # Until select() knows better: whoever else stops the loop wants another slice.
        self.deadline = time.monotonic()
        self._slice_ends = self.deadline + budget
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None
            self.busy_since = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The events there are now; see the class."""
        if self._stop is None:
            self.busy_since = None
            ready = super().select(timeout)
            self.busy_since = time.monotonic()
            return ready
        ready = super().select(0)
        now = self.busy_since = time.monotonic()
        waits = timeout is None or timeout > 0
        if waits and not ready:
            self.deadline = None if timeout is None else now + timeout
            self._stop()
        elif now >= self._slice_ends:
            self.deadline = now
            self._stop()
        return ready


class PumpLoop(asyncio.SelectorEventLoop):
    """Also notices what the host puts on it between two slices.

    asyncio expects that on its own thread a loop is only used from inside, where it looks
    after each callback. An application that sets an event or a future does so outside.
    """

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As ever within a slice; outside, the waiter hears of it."""
        if self.is_running():
            return super().call_soon(callback, *args, context=context)
        return self.call_soon_threadsafe(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As ever within a slice; outside, the waiter hears of the new deadline."""
        timer = super().call_at(when, callback, *args, context=context)
        if not self.is_running():
            self.call_soon_threadsafe(lambda: None)
        return timer


@boundary
def run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run ``loop`` until it is stopped, whatever a callback raises.

    asyncio lets KeyboardInterrupt and SystemExit from a callback or task end the loop; here
    they would end the host.
    """
    while True:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit) as error:
            log.warning("%r escaped from a callback or task; the kernel goes on", error)
        else:
            return


@contextmanager
def outer_loop_aside() -> Iterator[None]:
    """Set aside the asyncio loop that runs on this thread, if one does.

    asyncio refuses to run one loop inside another. A host that began to run asyncio after the
    kernel came up calls :meth:`Pump.tick` from inside its own.
    """
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)


class Waiter(threading.Thread):
    """Waits for the loop's descriptors and deadline off the main thread, then calls ``wake``.

    After each ``wake`` it stays quiet until :meth:`resume`: the descriptors are ready until
    the slice has run.
    """

    def __init__(self, selector: PumpSelector, wake: Callable[[], None]) -> None:
        super().__init__(name="hostkernel waiter", daemon=True)
        # Read by the debugger: a breakpoint must not stop this thread.
        self.pydev_do_not_trace = True
        self.is_pydev_daemon_thread = True
        self._selector = selector
        self._wake = wake
        self._resumed = threading.Event()
        self._closing = False
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
        """The thread's body."""
        with selectors.DefaultSelector() as watch:
            watch.register(self._far, selectors.EVENT_READ)
            while not self._closing:
                self._wait(watch)
                self._resumed.clear()
                # Looked at after the clearing: close() sets both, in the other order.
                if self._closing:
                    return
                self._wake()
                self._resumed.wait()

    def _wait(self, watch: selectors.BaseSelector) -> None:
        deadline = self._selector.deadline
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        wanted = _waitable(self._selector)
        watched = {key.fileobj for key in watch.get_map().values()} - {self._far}
        for descriptor in watched - wanted:
            watch.unregister(descriptor)
        for descriptor in wanted - watched:
            watch.register(descriptor, selectors.EVENT_READ)
        watch.select(timeout)


def _waitable(selector: selectors.BaseSelector) -> set[FileDescriptorLike]:
    # epoll and kqueue are descriptors themselves; where there is neither (Windows), every
    # registered socket is watched. Nobody changes the map meanwhile: no slice is running.
    fileno = getattr(selector, "fileno", None)
    if fileno is not None:
        return {fileno()}
    return {key.fileobj for key in selector.get_map().values() if key.events}


class Pump:
    """Slices of a private asyncio loop; :meth:`tick` is what a host's loop calls.

    Args:
        budget: seconds that one slice may take before the host gets its turn.
        polled: the host cannot be woken and calls :meth:`tick` by itself.
    """

    def __init__(self, budget: float, *, polled: bool = False) -> None:
        self.selector = PumpSelector()
        self.loop = PumpLoop(self.selector)
        self.after_slice: deque[Callable[[], None]] = deque()
        self.reentered_at = 0.0  # when the host last called tick() inside of a slice
        self._budget = budget
        self._polled = polled
        self.thread = threading.get_ident()
        self._ticking = False
        self._taken = False
        self._due = False
        self._waiter: Waiter | None = None

    @property
    def ticking(self) -> bool:
        """Whether a slice is running."""
        return self._ticking

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to call ``wake`` whenever a slice is wanted."""
        if self._polled:
            return

        def due() -> None:
            self._due = True
            wake()

        # What the loop was left with when the kernel had come up is not waited for by anybody.
        self.selector.deadline = time.monotonic()
        self._waiter = Waiter(self.selector, due)
        self._waiter.start()

    def close(self) -> None:
        """Call no more ``wake``. The loop is its owner's to close."""
        if self._waiter is not None:
            self._waiter.close()
            self._waiter = None
        self._due = False

    def tick(self) -> float | None:
        """Run one slice if one is wanted. Called by the host, on its main thread.

        Returns:
            Seconds until the next slice is wanted, None for "when woken".

        Raises:
            WrongThreadError: called on another thread. Nothing else is ever raised.
        """
        if threading.get_ident() != self.thread:
            raise WrongThreadError("tick", threading.current_thread().name)
        if self._ticking:
            self.reentered_at = time.monotonic()
            return None
        if not (self._due or self._polled):
            return None
        self._due = False
        try:
            self.run_slice()
        except KeyboardInterrupt:
            # Ctrl-C where no cell runs: an application that sleeps in C does not see it either.
            log.warning("Ctrl-C was pressed while no cell was running")
        finally:
            if self._waiter is not None:
                self._waiter.resume()
        if self.selector.deadline is None:
            return None
        return max(0.0, self.selector.deadline - time.monotonic())

    def run_slice(self) -> None:
        """Run what can run now, then what was put in :attr:`after_slice`."""
        self._ticking = True
        self._taken = False
        try:
            with self.selector.slice(self.loop.stop, self._budget), outer_loop_aside():
                run_loop(self.loop)
        except Exception:
            log.exception("the pump failed; the kernel goes on")
        finally:
            self._ticking = False
        while self.after_slice:
            self._run_apart(self.after_slice.popleft())

    async def fresh_slice(self) -> None:
        """Wait for a slice that nobody else has had this way."""
        while self._ticking and self._taken:
            self.loop.stop()
            await asyncio.sleep(0)
        self._taken = True

    def _run_apart(self, function: Callable[[], None]) -> None:
        try:
            function()
        except (Exception, SystemExit):
            log.exception("an action between two slices failed; the host goes on")
