"""What all drivers of the kernel's asyncio loop share.

A *step* is anything the loop calls: a cell, a callback, a task.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from .pump import never, outer_loop_aside
from .session_loop import Session, SessionLoop

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine, Iterable

    from .cell_tasks import CellTasks

__all__ = ["Driver"]


class Driver(ABC):
    """One way to drive ``loop``, the asyncio loop that the kernel runs on."""

    mode: ClassVar[str]

    is_main_loop: ClassVar[bool] = False
    """Whether :meth:`serve` is the main loop of a thread that was handed over."""

    has_own_thread: ClassVar[bool] = False
    """Whether the kernel runs on a thread of its own, beside the host's main thread."""

    may_nest: ClassVar[bool] = False
    """Whether the host's own loop may run inside a cell."""

    loop: asyncio.AbstractEventLoop
    thread: int
    _closing = False

    @property
    def here(self) -> bool:
        """Whether the caller is on the kernel's thread."""
        return threading.get_ident() == self.thread

    @property
    @abstractmethod
    def in_step(self) -> bool:
        """Whether the caller is inside a step of a loop that the kernel owns."""

    @property
    def step_seconds(self) -> float:
        """How long the running step has lasted, in seconds. Any thread.

        0 while the loop waits, and always where a step may be the host's.
        """
        return 0.0

    def join_session(self, session: Session, tasks: CellTasks) -> Callable[[], object]:
        """Run callbacks and tasks of cells as steps of the session, as far as the loop allows.

        Args:
            session: the session.
            tasks: learns which tasks cells start, if the loop is the kernel's.

        Returns:
            A function that undoes this.
        """
        loop = self.loop
        loop.set_task_factory(tasks)
        if isinstance(loop, SessionLoop):
            loop.session = session
        return lambda: None

    @property
    def plumbing(self) -> Iterable[str]:
        """The modules of the functions through which the host's loop calls the kernel."""
        return ()

    def turn_inside(self) -> None:
        """Ask the host's loop for a turn during a cell, which may run it nested. Any thread."""

    def turned_inside(self, since: float) -> bool:  # noqa: ARG002
        """Whether the host's loop has taken a turn in a cell since ``since`` (monotonic time)."""
        return False

    @abstractmethod
    def run(self, function: Callable[[], None]) -> None:
        """Call ``function`` on the kernel's thread with :attr:`loop` running; wait for it."""

    @abstractmethod
    def defer(self, function: Callable[[], None]) -> None:
        """Call ``function`` soon, on the kernel's thread, outside any step. Any thread.

        Does nothing once the driver is being closed.
        """

    def apart(self, function: Callable[[], None]) -> None:
        """Call ``function`` on the kernel's thread, outside any step; wait for it."""
        function()

    def settle(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run the loop until ``coroutine`` is done. On the kernel's thread, outside any step."""
        with outer_loop_aside():
            task = self.loop.create_task(coroutine)
            task.add_done_callback(lambda _: self.loop.stop())
            # Other code stops the loop too, to have a function called outside any step.
            while not task.done():
                self.loop.run_forever()
            task.result()

    async def fresh_turn(self) -> None:
        """Wait for a turn of the host's loop that no other caller of this method has used.

        The host serves its windows and files between two turns, not within one.
        """

    @property
    def sleeps(self) -> bool:
        """Whether the host sleeps in C, and a signal cuts that sleep short."""
        return False

    @property
    def is_alive(self) -> bool:
        """Whether the loop is still being run. Any thread."""
        return True

    @property
    def is_overdue(self) -> bool:
        """Whether the host was asked for a turn some time ago and gave none. Any thread."""
        return False

    def look_after(self) -> None:
        """Replace the thread that asks the host for turns if it has died. Any thread."""

    def start(self, send_wake: Callable[[], None]) -> None:
        """Begin to run the loop, now that the kernel is set up.

        Called on the thread that called :meth:`run`.

        Args:
            send_wake: cuts a sleep of the kernel's thread short.
        """

    def serve(self, ends: Callable[[BaseException], bool] = never) -> bool:  # noqa: ARG002
        """Run the loop, or wait for the thread that does, until the kernel is stopped.

        Args:
            ends: whether an exception may end the loop early and be raised.

        Returns:
            False, at once, if the host runs the loop.
        """
        return False

    def join(self) -> None:
        """Wait for the kernel's own thread to end, if it has one; no effect on that thread."""

    @abstractmethod
    def close(self) -> None:
        """Stop running the loop. On the kernel's thread, outside any step."""

    def _leave(self, deferred: deque[Callable[[], None]]) -> None:
        if deferred and not self._closing:
            self.loop.stop()

    def _close_own_loop(self) -> None:
        self._closing = True
        self.loop.set_exception_handler(_tell_of_failures)
        self.settle(_cancel_all(self.loop))
        self.settle(self.loop.shutdown_asyncgens())
        self.loop.close()


def _tell_of_failures(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Waiting requests have been cancelled, and upstream reads their results.
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1)
