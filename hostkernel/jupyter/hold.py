"""Outside: the hold that a Jupyter kernel manager has on a hostkernel kernel that it uses."""

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

_PATIENCE = 10.0  # seconds to wait for a restart; a busy host restarts later, before all else
_ANSWER = 5.0  # seconds to wait for an answer; the thread that answers is never busy for long
_POLL = 0.02


class Hold:
    """A kernel that a manager uses; it takes effect with :meth:`take`.

    Args:
        kernel: the kernel.
        ends: whether the host was started for this manager and ends when the manager shuts down
            the kernel.
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
            RequestError: the kernel does not answer.
        """
        answer = await self._ask("attach", holder=self._holder)
        self._renewals = answer["renewals"]

    async def let_go(self) -> None:
        """Tell the kernel, if it still runs, that this manager no longer uses it."""
        if self.is_alive:
            with suppress(HostkernelError):
                await self._ask("detach", holder=self._holder)
        self._remove_links()

    async def renew(self, *, asked: bool) -> None:
        """Restart the kernel in place, and wait for it.

        Args:
            asked: whether a client has already requested the restart.
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
        """Ask the kernel and the host to end in good order; both may have ended already."""
        with suppress(HostkernelError):
            await self._ask("stop", exit_host=True)

    def kill_host(self) -> None:
        """Kill the host's process, if it still lives."""
        if self.host_is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.kernel.facts.pid, signal.SIGKILL)

    @property
    def is_alive(self) -> bool:
        """Whether the connection file still describes the kernel, and the host lives."""
        return tells_of(self.kernel.file, self.kernel.info)

    @property
    def host_is_alive(self) -> bool:
        """Whether the host's process lives."""
        facts = self.kernel.facts
        return processes.alive(facts.pid, facts.started)

    def connection_info(self) -> dict[str, Any]:
        """The connection information for the manager.

        A manager removes the sockets of an ipc kernel when it releases or restarts the kernel, so
        it gets symbolic links to the sockets, fresh ones each time.
        """
        info = self.kernel.info
        if info.transport == "ipc":
            self._remove_links()
            self._links = folder_for_sockets()
            for port in info.ports.values():
                (self._links / f"s-{port}").symlink_to(f"{info.ip}-{port}")
            info = info.model_copy(update={"ip": str(self._links / "s")})
        found: dict[str, Any] = info.client_info()
        # A manager compares these values with its own: the key as bytes, the CURVE keys as text.
        curve = {name: found[name].decode() for name in found if name.startswith("curve_")}
        return found | curve

    def _remove_links(self) -> None:
        if self._links is not None:
            shutil.rmtree(self._links, ignore_errors=True)

    async def _ask(self, action: Action, **details: object) -> dict[str, Any]:
        asking = partial(ask, self.kernel.info, action, timeout=_ANSWER, **details)
        # Not to_thread: jupyter_core keeps each thread's loop in a context variable.
        return await asyncio.get_running_loop().run_in_executor(None, asking)
