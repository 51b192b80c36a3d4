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

_AT_ONCE = 0.01  # seconds in which a loop that is run again fails if it is broken
_HOPELESS = 20  # such failures in a row
_OVERDUE = 3.0  # seconds that a slice may be asked for before the host counts as busy


class PumpSelector(selectors.DefaultSelector):
    """A selector that, within a slice, stops the loop where asyncio would wait.

    Outside a slice, while the kernel is set up or taken down, it waits like any other.

    Attributes:
        deadline: when the loop wants to run again by itself, on the monotonic clock, None
            for never.
        busy_since: when the loop last had its turn, by the same clock, None while it waits.
        nested: whether a cell runs, which then runs the loop itself, as nest_asyncio lets it.
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
        # Until select() knows better: whoever else stops the loop wants another slice.
        self.deadline = monotonic()
        self._slice_ends = self.deadline + budget
        self._stop = stop

    def end_slice(self) -> None:
        """The slice is over."""
        self._stop = None
        self.busy_since = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The events there are now; see the class."""
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


def never(_error: BaseException) -> bool:
    """No exception ends the loop."""
    return False


@boundary
def run_loop(
    loop: asyncio.AbstractEventLoop, ends: Callable[[BaseException], bool] = never
) -> None:
    """Run ``loop`` until it is stopped, whatever is raised in it.

    asyncio lets KeyboardInterrupt and SystemExit from a callback or task end the loop, and
    whatever a signal handler raises while the loop waits; here they would end the host.

    Args:
        loop: the loop.
        ends: whether an exception may end it, and be raised.

    Raises:
        BrokenLoopError: it fails again and again.
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
    """The loop fails each time it is run, as when a cell has closed its descriptors."""


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


class Pump:
    """Slices of a private asyncio loop; :attr:`tick` is what a host's loop calls.

    Args:
        budget: seconds that one slice may take before the host gets its turn.
        polled: the host cannot be woken and calls :attr:`tick` by itself.

    Attributes:
        tick: run one slice if one is wanted; the seconds until the next is, None for "when
            woken". Called by the host, on its main thread. Raises WrongThreadError on another
            thread, and nothing else, not even what a signal handler raises as it is called.
    """

    def __init__(self, budget: float, *, polled: bool = False) -> None:
        self.selector = PumpSelector()
        self.loop = PumpLoop(self.selector)
        self.after_slice: deque[Callable[[], None]] = deque()
        self.tick = guarded(self._tick, passes=(WrongThreadError,))
        self.reentered_at = 0.0  # when the host last called tick() inside of a slice
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
        """Whether the host was asked for a slice a while ago and gave none. Any thread."""
        return self._due and not self._ticking and monotonic() - self._due_since > _OVERDUE

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to call ``wake`` whenever a slice is wanted."""
        if self._polled:
            return
        # What the loop was left with when the kernel had come up is not waited for by anybody.
        self.selector.deadline = monotonic()
        self._wake = wake
        self.look_after()

    def look_after(self) -> None:
        """See to it that a waiter runs. Any thread, at any time."""
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
        """Call no more ``wake``. The loop is its owner's to close."""
        with self._changing_waiter:
            self._wake = None
            if self._waiter is not None:
                self._waiter.close()
                self._waiter = None
        self._due = False

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
        """Run what can run now, then what was put in :attr:`after_slice`."""
        self._ticking = True
        self._taken = False
        try:
            with outer_loop_aside():
                self.selector.begin_slice(self.loop.stop, self._budget)
                run_loop(self.loop)
        except Exception:
            log.exception("the pump failed; the kernel goes on")
        finally:
            # Before any call: an exception may come with each, and a slice that seems to run
            # would be the last.
            self._ticking = False
            self.selector.end_slice()
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
        except BaseException:
            log.exception("an action between two slices failed; the host goes on")
