"""How a kernel ends or restarts: by whose wish, when, and never in the middle of an answer.

A request to end comes from a client, a cell, the command line, a signal or the host itself.
It is carried out on the kernel's thread, outside any step of its loop, once the request that
is being served has been answered.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.config.models import EndPolicy, KernelSettings

    from .guest.drivers import Driver
    from .ipython.kernel import HostIPythonKernel
    from .process.interrupt import Interrupter

__all__ = ["Ending", "Endings"]

_GRACE = 1.0  # seconds that an interrupted cell gets to answer
_INSIST = (0.1, 0.3, 1.0, 1.0, 1.0)  # seconds from each time that it is insisted to the next


@dataclass(frozen=True)
class Ending:
    """What is to happen.

    Attributes:
        action: stop the kernel, restart it in place, or stop it and end the host.
        reason: by whose wish, as ``hostkernel_stopped`` reports it.
        patient: wait for the running request however long it takes, do not interrupt it.
    """

    action: Literal["stop", "restart", "exit-host"]
    reason: str
    patient: bool = False


class _Parts(Protocol):
    @property
    def driver(self) -> Driver: ...
    @property
    def interrupter(self) -> Interrupter: ...
    @property
    def kernel(self) -> HostIPythonKernel: ...


class Endings:
    """Turns wishes into endings, by the policies of the settings.

    Args:
        settings: ``[kernel]``.
        parts: what runs.
        carry_out: called with the ending, on the kernel's thread, outside any step.
    """

    def __init__(
        self, settings: KernelSettings, parts: _Parts, carry_out: Callable[[Ending], None]
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._carry_out = carry_out
        self.tasks: set[asyncio.Task[None]] = set()

    def shutdown_requested(self, *, restart: bool) -> None:
        """A client asked for it. Control thread."""
        policy: EndPolicy = "restart" if restart else self._settings.on_shutdown
        self._by_policy(policy, "client", patient=False)

    def exit_requested(self) -> None:
        """A cell called ``exit()`` or ``quit()``."""
        self._by_policy(self._settings.on_exit, "exit() in a cell", patient=True)

    def _by_policy(self, policy: EndPolicy, reason: str, *, patient: bool) -> None:
        if policy != "detach":
            self.post(Ending(policy, reason, patient))

    def request(self, action: str, *, exit_host: bool) -> None:
        """The command line asks, past all policies. Control thread.

        Raises:
            ValueError: there is no such action.
        """
        if action == "interrupt":
            self._parts.interrupter.fire()
        elif action == "restart":
            self.post(Ending("restart", "hostkernel restart"))
        elif action == "stop":
            self.post(Ending("exit-host" if exit_host else "stop", "hostkernel stop"))
        elif action != "status":
            message = f"unknown action {action!r}; known: stop, restart, interrupt, status"
            raise ValueError(message)

    def post(self, ending: Ending) -> None:
        """Have it carried out soon. Any thread, any signal handler."""
        self._parts.driver.loop.call_soon_threadsafe(self._begin, ending)
        if not ending.patient:
            self._insist_later(ending, self._parts.kernel.running, (_GRACE, *_INSIST))
            # Last: on the kernel's own thread this may raise KeyboardInterrupt right here.
            self._parts.interrupter.fire()

    def _insist_later(
        self, ending: Ending, running: frozenset[object], after: tuple[float, ...]
    ) -> None:
        later = self._parts.interrupter.later
        if later is None or not running:
            return
        if after:
            later(after[0], partial(self._insist, ending, running, after[1:]))
        else:
            self._parts.kernel.tell_that_it_waits(ending.action)

    def _insist(self, ending: Ending, running: frozenset[object], after: tuple[float, ...]) -> None:
        """Break a cell that has caught the interrupt, as often as it catches it. Control thread."""
        if not running.isdisjoint(self._parts.kernel.running):
            self._parts.interrupter.fire(insists=True)
            self._insist_later(ending, running, after)

    def _begin(self, ending: Ending) -> None:
        task = asyncio.get_running_loop().create_task(self._wind_down(ending))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _wind_down(self, ending: Ending) -> None:
        await self._parts.kernel.quiesce(None if ending.patient else _GRACE + sum(_INSIST))
        self._parts.driver.defer(partial(self._carry_out, ending))
