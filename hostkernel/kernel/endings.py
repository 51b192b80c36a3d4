"""How a kernel ends or restarts: at whose request, and when; never in the middle of a reply.

A request to end comes from a client, a cell, the command line, a signal or the host itself.
The ending is carried out on the kernel's thread, outside any step of its loop, after the reply
to the request that is being served.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.config.models import EndPolicy

    from .ipython.services import Owner

__all__ = ["Ending", "Endings"]

_GRACE = 1.0  # seconds for an interrupted cell to reply
_INSIST = (0.1, 0.3, 1.0, 1.0, 1.0)  # seconds from each insisting interrupt to the next


@dataclass(frozen=True)
class Ending:
    """One ending of the kernel: what to do, and why.

    Attributes:
        action: stop the kernel, restart it in place, or stop it and end the host.
        reason: who or what asked, as ``hostkernel_stopped`` reports it.
        patient: wait for the running request as long as it takes, without interrupting it.
    """

    action: Literal["stop", "restart", "exit-host"]
    reason: str
    patient: bool = False


class Endings:
    """Turn requests to end into endings, by the policies of the settings.

    Args:
        owner: the kernel's driver, interrupter and settings.
        carry_out: called with the ending, on the kernel's thread, outside any step.
    """

    def __init__(self, owner: Owner, carry_out: Callable[[Ending], None]) -> None:
        self._owner = owner
        self._carry_out = carry_out
        self.tasks: set[asyncio.Task[None]] = set()

    def shutdown_requested(self, *, restart: bool) -> None:
        """End or restart as a client asked, by the policy. Control thread."""
        policy: EndPolicy = "restart" if restart else self._owner.settings.on_shutdown
        self._by_policy(policy, "client", patient=False)

    def exit_requested(self) -> None:
        """End after ``exit()`` or ``quit()`` in a cell, by the policy."""
        self._by_policy(self._owner.settings.on_exit, "exit() in a cell", patient=True)

    def _by_policy(self, policy: EndPolicy, reason: str, *, patient: bool) -> None:
        if policy != "detach":
            self.post(Ending(policy, reason, patient))

    def request(self, action: str, *, exit_host: bool) -> None:
        """Do what the command line asks, whatever the policies say. Control thread.

        Raises:
            ValueError: the action is unknown.
        """
        if action == "interrupt":
            self._owner.interrupter.fire()
        elif action == "restart":
            self.post(Ending("restart", "hostkernel restart"))
        elif action == "stop":
            self.post(Ending("exit-host" if exit_host else "stop", "hostkernel stop"))
        elif action != "status":
            message = f"unknown action {action!r}; known: stop, restart, interrupt, status"
            raise ValueError(message)

    def post(self, ending: Ending) -> None:
        """Have ``ending`` carried out soon. Any thread, any signal handler."""
        self._owner.driver.loop.call_soon_threadsafe(self._begin, ending)
        if not ending.patient:
            self._insist_later(ending, self._owner.kernel.running, (_GRACE, *_INSIST))
            # Last: on the kernel's own thread this may raise KeyboardInterrupt right here.
            self._owner.interrupter.fire()

    def _insist_later(
        self, ending: Ending, running: frozenset[object], after: tuple[float, ...]
    ) -> None:
        later = self._owner.interrupter.later
        if later is None or not running:
            return
        if after:
            later(after[0], partial(self._insist, ending, running, after[1:]))
        else:
            self._owner.kernel.tell_that_it_waits(ending.action)

    def _insist(self, ending: Ending, running: frozenset[object], after: tuple[float, ...]) -> None:
        """Break a cell that catches interrupts, again each time it does. Control thread."""
        if not running.isdisjoint(self._owner.kernel.running):
            self._owner.interrupter.fire(insists=True)
            self._insist_later(ending, running, after)

    def _begin(self, ending: Ending) -> None:
        task = asyncio.get_running_loop().create_task(self._wind_down(ending))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _wind_down(self, ending: Ending) -> None:
        await self._owner.kernel.quiesce(None if ending.patient else _GRACE + sum(_INSIST))
        self._owner.driver.defer(partial(self._carry_out, ending))

    @property
    def may_end_here(self) -> bool:
        """Whether the caller is on the kernel's thread, outside any step."""
        driver = self._owner.driver
        return driver.here and not driver.in_step and not self._owner.interrupter.is_armed

    def settle(self) -> None:
        """Break the running cell and wait for its reply. Where :attr:`may_end_here` is true."""
        kernel, interrupter = self._owner.kernel, self._owner.interrupter
        interrupter.fire()
        self._owner.driver.settle(kernel.quiesce(_GRACE))
        if kernel.running:
            interrupter.fire(insists=True)
            self._owner.driver.settle(kernel.quiesce(_GRACE))
