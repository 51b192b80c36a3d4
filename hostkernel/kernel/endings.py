"""How a kernel ends or restarts: at whose request, and when; never in the middle of a reply.

A request to end comes from a client, a cell, the command line, a signal or the host itself.
The ending is carried out on the kernel's thread, outside any step of its loop, after the reply
to the request that is being served.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.config.models import EndPolicy, KernelSettings

    from .guest.driver import Driver
    from .ipython.kernel import HostIPythonKernel
    from .process.interrupt import Interrupter

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


class _Parts(Protocol):
    @property
    def driver(self) -> Driver: ...
    @property
    def interrupter(self) -> Interrupter: ...
    @property
    def kernel(self) -> HostIPythonKernel: ...


class Endings:
    """Turn requests to end into endings, by the policies of the settings.

    Args:
        settings: the settings in ``[kernel]``.
        parts: the parts of the running kernel.
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
        """End or restart as a client asked, by the policy. Control thread."""
        policy: EndPolicy = "restart" if restart else self._settings.on_shutdown
        self._by_policy(policy, "client", patient=False)

    def exit_requested(self) -> None:
        """End after ``exit()`` or ``quit()`` in a cell, by the policy."""
        self._by_policy(self._settings.on_exit, "exit() in a cell", patient=True)

    def _by_policy(self, policy: EndPolicy, reason: str, *, patient: bool) -> None:
        if policy != "detach":
            self.post(Ending(policy, reason, patient))

    def request(self, action: str, *, exit_host: bool) -> None:
        """Do what the command line asks, whatever the policies say. Control thread.

        Raises:
            ValueError: the action is unknown.
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
        """Have ``ending`` carried out soon. Any thread, any signal handler."""
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
        """Break a cell that catches interrupts, again each time it does. Control thread."""
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
