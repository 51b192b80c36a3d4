"""Run an asyncio loop in slices, from inside another main loop.

The primitive is a selector that never blocks: where asyncio would wait, the selector notes the
deadline and stops the loop, so that ``run_forever()`` drains what can run and returns. A waiter
thread waits on the selector's own file descriptor instead and asks the host for the next slice
(trio calls this guest mode). Public asyncio API only.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVarTuple

from hostkernel.errors import WrongThreadError
from hostkernel.host.entry import guarded, note_stray
from hostkernel.kernel.base.boundaries import boundary
from hostkernel.kernel.base.clock import monotonic

from .session_loop import SessionLoop
from .waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context

__all__ = [
    "BrokenLoopError",
    "Pump",
    "PumpSelector",
    "never",
    "outer_loop_aside",
    "run_loop",
]

log = logging.getLogger("hostkernel.kernel")

Arguments = TypeVarTuple("Arguments")

_AT_ONCE = 0.01  # seconds within which a broken loop fails when it is run again
_HOPELESS = 20  # such failures in a row
_OVERDUE = 3.0  # seconds without a requested slice until the host counts as busy


class PumpSelector(selectors.DefaultSelector):
    """A selector that, within a slice, stops the loop where asyncio would wait.

    Outside a slice, while the kernel is set up or taken down, it waits like any other selector.

    Attributes:
        deadline: monotonic time in seconds at which the loop wants to run again, None for never.
        busy_since: monotonic time in seconds since which the loop has not waited, None while
            it waits.
        nested: whether a cell is running; if so, the cell itself runs the loop (nest_asyncio).
    """

    nested: Callable[[], bool] = staticmethod(bool)

    def __init__(self) -> None:
        super().__init__()
        self.deadline: float | None = None
        self.busy_since: float | None = None
        self._stop: Callable[[], None] | None = None
        self._slice_ends = 0.0

    def begin_slice(self, stop: Callable[[], None], budget: float) -> None:
        """Begin a slice that may last ``budget`` seconds; ``stop`` ends it."""
        # Until select() sets the deadline: other code that stops the loop wants another slice.
        self.deadline = monotonic()
        self._slice_ends = self.deadline + budget
        self._stop = stop

    def end_slice(self) -> None:
        """End the slice."""
        self._stop = None
        self.busy_since = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events that are ready; within a slice, do not wait for any."""
        if self._stop is None or self.nested():
            self.busy_since = None
            ready = super().select(timeout)
            self.busy_since = monotonic()
            return ready
        ready = super().select(0)
        now = self.busy_since = monotonic()
        waits = timeout is None or timeout > 0
        if waits and not ready:
            self.deadline = None if timeout is None else now + timeout
            self._stop()
        elif now >= self._slice_ends:
            self.deadline = now
            self._stop()
        return ready


class PumpLoop(SessionLoop):
    """A loop that also notices what the host schedules on it between two slices.

    asyncio expects code on the loop's own thread to use the loop only from inside a callback,
    because the loop checks for new work after each one. An application that sets an event or a
    future does so outside.
    """

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Do what upstream does; outside a slice, also wake the waiter."""
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
        """Do what upstream does; outside a slice, also have the waiter learn the new deadline."""
        timer = super().call_at(when, callback, *args, context=context)
        if not self.is_running():
            self.call_soon_threadsafe(lambda: None)
        return timer


def never(_error: BaseException) -> bool:
    """Return False: no exception ends the loop."""
    return False


@boundary
def run_loop(
    loop: asyncio.AbstractEventLoop, ends: Callable[[BaseException], bool] = never
) -> None:
    """Run ``loop`` until it is stopped, whatever is raised in it.

    asyncio ends the loop on KeyboardInterrupt and SystemExit from a callback or task, and on
    any exception that a signal handler raises while the loop waits; here they would end the host.

    Args:
        loop: the loop.
        ends: whether an exception may end the loop and be raised.

    Raises:
        BrokenLoopError: the loop fails again and again.
    """
    failures = 0
    while True:
        began = monotonic()
        try:
            loop.run_forever()
        except BaseException as error:
            if loop.is_closed() or ends(error):
                raise
            failures = failures + 1 if monotonic() - began < _AT_ONCE else 0
            if failures == _HOPELESS:
                raise BrokenLoopError from error
            note_stray(error)
        else:
            return


class BrokenLoopError(RuntimeError):
    """The loop fails each time it is run, as when a cell closed the loop's file descriptors."""


@contextmanager
def outer_loop_aside() -> Iterator[None]:
    """Set aside the asyncio loop that runs on this thread, if one does.

    asyncio refuses to run one loop inside another. A host that began to run asyncio after the
    kernel came up calls :attr:`Pump.tick` from inside its own loop.
    """
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)


class Pump:
    """The kernel's asyncio loop in slices; the host's main loop calls :attr:`tick`.

    Args:
        budget: seconds that one slice may take before the host gets its turn.
        polled: the host cannot be woken and calls :attr:`tick` by itself.

    Attributes:
        tick: runs one slice if one is wanted, and returns the seconds until the next slice, None
            for "when woken". Called by the host, on its main thread. Raises WrongThreadError on
            another thread and nothing else, not even what a signal handler raises just then.
    """

    def __init__(self, budget: float, *, polled: bool = False) -> None:
        self.selector = PumpSelector()
        self.loop = PumpLoop(self.selector)
        self.after_slice: deque[Callable[[], None]] = deque()
        self.tick = guarded(self._tick, passes=(WrongThreadError,))
        self.reentered_at = 0.0  # monotonic time of the last call of tick() inside a slice
        self._budget = budget
        self._polled = polled
        self.thread = threading.get_ident()
        self._ticking = False
        self._taken = False
        self._due = False
        self._due_since = 0.0
        self._wake: Callable[[], None] | None = None
        self._waiter: Waiter | None = None
        self._changing_waiter = threading.Lock()

    @property
    def ticking(self) -> bool:
        """Whether a slice is running."""
        return self._ticking

    @property
    def is_alive(self) -> bool:
        """Whether something asks for slices. Any thread."""
        waiter = self._waiter
        return self._polled or (waiter is not None and waiter.is_alive())

    @property
    def is_overdue(self) -> bool:
        """Whether the host was asked for a slice some time ago and gave none. Any thread."""
        return self._due and not self._ticking and monotonic() - self._due_since > _OVERDUE

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to call ``wake`` whenever a slice is wanted."""
        if self._polled:
            return
        # Ask for a slice at once: nothing waits for what was scheduled while the kernel came up.
        self.selector.deadline = monotonic()
        self._wake = wake
        self.look_after()

    def look_after(self) -> None:
        """Start a waiter, or replace one that has died. Any thread, at any time."""
        with self._changing_waiter:
            if self._wake is None or self.is_alive:
                return
            if self._waiter is not None:
                log.error("the thread that wakes the host has ended; it is started again")
                self._waiter.close()
            self._waiter = Waiter(self.selector, self._ask, lambda: self._ticking)
            self._waiter.start()

    def _ask(self) -> None:
        if not self._due:
            self._due_since = monotonic()
        self._due = True
        if self._wake is not None:
            self._wake()

    def close(self) -> None:
        """Stop calling ``wake``; the loop is closed by its owner."""
        with self._changing_waiter:
            self._wake = None
            if self._waiter is not None:
                self._waiter.close()
                self._waiter = None
        self._due = self._polled = False  # a tick that comes late finds no loop

    def _tick(self) -> float | None:
        if threading.get_ident() != self.thread:
            raise WrongThreadError("tick", threading.current_thread().name)
        if self._ticking:
            self.reentered_at = monotonic()
            return None
        if not (self._due or self._polled):
            return None
        self._due = False
        try:
            self.run_slice()
        finally:
            if self._waiter is not None:
                self._waiter.resume()
        if self.selector.deadline is None:
            return None
        return max(0.0, self.selector.deadline - monotonic())

    def run_slice(self) -> None:
        """Run what can run now, then the functions in :attr:`after_slice`."""
        self._ticking = True
        self._taken = False
        try:
            with outer_loop_aside():
                self.selector.begin_slice(self.loop.stop, self._budget)
                run_loop(self.loop)
        except Exception:
            log.exception("the pump failed; the kernel goes on")
        finally:
            # Reset before any call: each call may raise a stray exception, and a slice that
            # still seemed to run would be the last one.
            self._ticking = False
            self.selector.end_slice()
        while self.after_slice:
            self._run_apart(self.after_slice.popleft())

    async def fresh_slice(self) -> None:
        """Wait for a slice that no other caller of this method has used."""
        while self._ticking and self._taken:
            self.loop.stop()
            await asyncio.sleep(0)
        self._taken = True

    def _run_apart(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException:
            log.exception("an action between two slices failed; the host goes on")
