"""The four ways to drive the kernel's asyncio loop.

=========  ====================================  =======================================
mode       when                                  who runs the loop
=========  ====================================  =======================================
pumped     the host owns the main loop           slices on the host's main thread
shared     asyncio already runs on this thread   the host's own asyncio loop
served     the host has no loop                  ``serve()``, until the kernel stops
thread     plain Python with a busy main thread  a daemon thread of hostkernel
=========  ====================================  =======================================
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hostkernel.host import Wakes, guarded
from hostkernel.host.entry import note_stray
from hostkernel.kernel.base.clock import monotonic
from hostkernel.kernel.base.patch import Patch

from .cell_tasks import contained
from .driver import Driver
from .pump import BrokenLoopError, Pump, PumpSelector, never, run_loop
from .session_loop import SessionLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from hostkernel.host import HostLoop

    from .cell_tasks import CellTasks
    from .session_loop import Session

__all__ = ["PumpedDriver", "ServedDriver", "SharedDriver", "ThreadDriver"]

log = logging.getLogger("hostkernel.kernel")


def _seconds_since(moment: float | None) -> float:
    return 0.0 if moment is None else monotonic() - moment


async def _as_coroutine(function: Callable[[], None]) -> None:
    function()


class PumpedDriver(Driver):
    """The driver for a host with a main loop: the kernel runs in slices of that loop.

    Args:
        host_loop: the host's loop.
        budget: seconds that one slice may take.
    """

    mode = "pumped"
    may_nest = True

    def __init__(self, host_loop: HostLoop, budget: float) -> None:
        self._host_loop = host_loop
        self._send_wake: Callable[[], None]
        self._pump = Pump(budget, polled=host_loop.wakes is Wakes.NEVER)
        self.loop = self._pump.loop
        self.thread = self._pump.thread

    @property
    def in_step(self) -> bool:
        return self._pump.ticking and self.here

    @property
    def step_seconds(self) -> float:
        return _seconds_since(self._pump.selector.busy_since) if self._pump.ticking else 0.0

    def join_session(self, session: Session, tasks: CellTasks) -> Callable[[], object]:
        self._pump.selector.nested = lambda: session.inside
        return super().join_session(session, tasks)

    def run(self, function: Callable[[], None]) -> None:
        self.settle(_as_coroutine(function))

    @property
    def sleeps(self) -> bool:
        return self._host_loop.wakes is Wakes.BY_SIGNAL

    @property
    def is_alive(self) -> bool:
        return self._pump.is_alive

    @property
    def is_overdue(self) -> bool:
        return self._pump.is_overdue

    def look_after(self) -> None:
        self._pump.look_after()

    async def fresh_turn(self) -> None:
        await self._pump.fresh_slice()

    @property
    def plumbing(self) -> Iterable[str]:
        loops = (cls.__module__ for cls in type(self._host_loop).__mro__[:-1])
        return {Pump.__module__, guarded.__module__, *loops}

    def turn_inside(self) -> None:
        if self._pump.ticking and self._host_loop.wakes is not Wakes.NEVER:
            self._wake()

    def turned_inside(self, since: float) -> bool:
        return self._pump.reentered_at > since

    def start(self, send_wake: Callable[[], None]) -> None:
        self._send_wake = send_wake
        self._host_loop.start(self._pump.tick)
        self._pump.start(self._wake)

    def _wake(self) -> None:
        try:
            self._host_loop.wake()
            if self.sleeps and not self._pump.ticking:
                self._send_wake()
        except Exception:
            log.exception("the host's loop cannot be woken")

    def defer(self, function: Callable[[], None]) -> None:
        if self._closing:
            return
        self._pump.after_slice.append(function)
        self.loop.call_soon_threadsafe(self._leave, self._pump.after_slice)

    def close(self) -> None:
        self._pump.close()
        try:
            self._host_loop.stop()
        finally:
            self._close_own_loop()


class ServedDriver(Driver):
    """The driver for a host without a main loop: :meth:`serve` is the main loop."""

    mode = "served"
    is_main_loop = True

    def __init__(self) -> None:
        self._selector = PumpSelector()
        self.loop = SessionLoop(self._selector)
        self.thread = threading.get_ident()
        self._deferred: deque[Callable[[], None]] = deque()
        self._stepping = False

    @property
    def in_step(self) -> bool:
        return self._stepping and self.here

    @property
    def step_seconds(self) -> float:
        return _seconds_since(self._selector.busy_since) if self._stepping else 0.0

    def run(self, function: Callable[[], None]) -> None:
        self.settle(_as_coroutine(function))

    def serve(self, ends: Callable[[BaseException], bool] = never) -> bool:
        """Run the loop until the kernel is stopped."""
        while not self.loop.is_closed():
            try:
                self._serve_once(ends)
            except BrokenLoopError:
                raise
            except BaseException as error:
                if self.loop.is_closed() or ends(error):
                    raise
                note_stray(error)
        return True

    def _serve_once(self, ends: Callable[[BaseException], bool]) -> None:
        self._stepping = True
        try:
            run_loop(self.loop, ends)
        finally:
            self._stepping = False
        while self._deferred:
            self._run_apart(self._deferred.popleft())

    @staticmethod
    def _run_apart(function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:
            log.exception("an action between two steps failed; the kernel goes on")

    def defer(self, function: Callable[[], None]) -> None:
        if self._closing:
            return
        self._deferred.append(function)
        self.loop.call_soon_threadsafe(self._leave, self._deferred)

    def close(self) -> None:
        self._close_own_loop()


class ThreadDriver(Driver):
    """The driver for a program with a busy main thread: the kernel gets its own thread."""

    mode = "thread"
    has_own_thread = True

    def __init__(self) -> None:
        made = threading.Event()
        self._thread = threading.Thread(
            target=self._body, args=(made,), name="hostkernel", daemon=True
        )
        self._thread.start()
        made.wait()
        self.loop = self._served.loop
        self.thread = self._served.thread

    def _body(self, made: threading.Event) -> None:
        self._served = ServedDriver()
        made.set()
        self._served.serve()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def in_step(self) -> bool:
        return self._served.in_step

    @property
    def step_seconds(self) -> float:
        return self._served.step_seconds

    def run(self, function: Callable[[], None]) -> None:
        asyncio.run_coroutine_threadsafe(_as_coroutine(function), self.loop).result()

    def defer(self, function: Callable[[], None]) -> None:
        self._served.defer(function)

    def apart(self, function: Callable[[], None]) -> None:
        if self.here:
            function()
            return
        done = threading.Event()

        def call() -> None:
            try:
                function()
            finally:
                done.set()

        self.defer(call)
        done.wait()

    def close(self) -> None:
        self._served.close()

    def serve(self, ends: Callable[[BaseException], bool] = never) -> bool:  # noqa: ARG002
        """Wait for the thread, which runs the loop."""
        self.join()
        return True

    def join(self) -> None:
        if not self.here:
            self._thread.join()


class SharedDriver(Driver):
    """The driver for a host that runs asyncio on this thread: join that loop, never stop it."""

    mode = "shared"

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()

    @property
    def in_step(self) -> bool:
        return False

    def join_session(self, session: Session, tasks: CellTasks) -> Callable[[], object]:  # noqa: ARG002
        # The loop is the host's and may be of any class: only its errors are watched, unless a
        # cell has set an exception handler.
        before = self.loop.get_exception_handler()

        def watch(handle_error: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
            def watching(context: dict[str, Any]) -> None:
                own = self.loop.get_exception_handler() is not before
                if own or not session.told(context):
                    handle_error(context)

            return watching

        patches = ExitStack()
        patches.callback(Patch(self.loop, "call_exception_handler", watch).close)
        patches.callback(Patch(self.loop, "create_task", contained).close)
        return patches.close

    def run(self, function: Callable[[], None]) -> None:
        # A context of its own: the kernel's context variables must not leak into the host's.
        contextvars.copy_context().run(function)

    def defer(self, function: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(function)

    def settle(self, coroutine: Coroutine[Any, Any, object]) -> None:
        # The loop that runs here is the host's; asyncio cannot run a loop from inside itself.
        coroutine.close()

    def close(self) -> None:
        pass
