"""Outside: what a Jupyter kernel manager has in hand while it uses a kernel of ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hostkernel import processes
from hostkernel.errors import HostkernelError
from hostkernel.launch.control import Action, ask
from hostkernel.private import folder_for_sockets
from hostkernel.registry import RunningKernel, tells_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Hold"]

_PATIENCE = 10.0  # seconds to wait for a restart; a busy host does it later, before all else
_ANSWER = 5.0  # seconds for an answer from a thread of the kernel's that is never busy long
_POLL = 0.02


class Hold:
    """A kernel that a manager uses; made by :meth:`take`.

    Args:
        kernel: the kernel.
        ends: the host was started for this manager, and ends when it is shut down.
    """

    def __init__(self, kernel: RunningKernel, *, ends: bool) -> None:
        self.kernel = kernel
        self.ends = ends
        self._renewals = 0
        self._links: Path | None = None
        self._holder = {
            "id": str(uuid.uuid4()),
            "pid": os.getpid(),
            "started": processes.start_time(os.getpid()) or 0.0,
            "machine": processes.machine(),
        }

    async def take(self) -> None:
        """Tell the kernel that it is in use.

        Raises:
            RequestError: it does not answer.
        """
        answer = await self._ask("attach", holder=self._holder)
        self._renewals = answer["renewals"]

    async def let_go(self) -> None:
        """Tell the kernel, if it is still there, that this manager is done with it."""
        if self.is_alive:
            with suppress(HostkernelError):
                await self._ask("detach", holder=self._holder)
        self._remove_links()

    async def renew(self, *, asked: bool) -> None:
        """Restart the kernel in place, and wait for it.

        Args:
            asked: a client's request for it is under way.
        """
        if not asked:
            await self._ask("restart")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            answer = await self._ask("status")
            if answer["renewals"] != self._renewals:
                self._renewals = answer["renewals"]
                return
            await asyncio.sleep(_POLL)

    async def interrupt(self) -> None:
        """Interrupt the running cell."""
        await self._ask("interrupt")

    async def end_host(self) -> None:
        """Ask kernel and host to end in order; they may be gone already."""
        with suppress(HostkernelError):
            await self._ask("stop", exit_host=True)

    def kill_host(self) -> None:
        """End the host at once."""
        if self.host_is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.kernel.facts.pid, signal.SIGKILL)

    @property
    def is_alive(self) -> bool:
        """Whether its connection file still tells of it, and its host lives."""
        return tells_of(self.kernel.file, self.kernel.info)

    @property
    def host_is_alive(self) -> bool:
        """Whether the host's process lives."""
        facts = self.kernel.facts
        return processes.alive(facts.pid, facts.started)

    def connection_info(self) -> dict[str, Any]:
        """What the manager needs to reach the kernel.

        A manager removes the sockets of an ipc kernel when it lets go of it or restarts it: it
        gets links to them, fresh ones each time.
        """
        info = self.kernel.info
        if info.transport == "ipc":
            self._remove_links()
            self._links = folder_for_sockets()
            for port in info.ports.values():
                (self._links / f"s-{port}").symlink_to(f"{info.ip}-{port}")
            info = info.model_copy(update={"ip": str(self._links / "s")})
        found: dict[str, Any] = info.client_info()
        # A manager compares them with its own, which are bytes for the one and text for the other.
        curve = {name: found[name].decode() for name in found if name.startswith("curve_")}
        return found | curve

    def _remove_links(self) -> None:
        if self._links is not None:
            shutil.rmtree(self._links, ignore_errors=True)

    async def _ask(self, action: Action, **details: object) -> dict[str, Any]:
        asking = partial(ask, self.kernel.info, action, timeout=_ANSWER, **details)
        # Not to_thread: jupyter_core keeps each thread's loop in a context variable.
        return await asyncio.get_running_loop().run_in_executor(None, asking)
