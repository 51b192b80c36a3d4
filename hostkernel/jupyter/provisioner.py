"""Outside, in the process of a Jupyter server, papermill or any other kernel manager.

Loaded by jupyter_client from the entry-point group ``jupyter_client.kernel_provisioners``, for
kernelspecs that name ``hostkernel-provisioner``.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jupyter_client.provisioning import KernelProvisionerBase

from hostkernel.config.models import ATTACH
from hostkernel.errors import HostkernelError

from .choose import open_kernel
from .hold import Hold
from .start import start

if TYPE_CHECKING:
    from hostkernel.registry import RunningKernel

    from .choose import Attach

__all__ = ["HostkernelProvisioner"]


class HostkernelProvisioner(KernelProvisionerBase):
    """Attaches to a kernel that is open, or starts a host; Restart keeps the host either way.

    Args:
        attach: see :data:`~hostkernel.jupyter.choose.Attach`.
        host: consider kernels of this host only.
        kernel: which one: id prefix, host, pid or title. The environment variable
            ``HOSTKERNEL_ATTACH`` overrides it; without both it is the only one there is.
        on_shutdown: the policy ``kernel.on_shutdown`` of the hosts that ``argv`` starts.
        traits: what jupyter_client itself passes.
    """

    def __init__(
        self,
        *,
        attach: Attach = "never",
        host: str | None = None,
        kernel: str | None = None,
        on_shutdown: str = "detach",
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self._attach = attach
        self._host = host
        self._wanted = kernel
        self._on_shutdown = on_shutdown
        self._hold: Hold | None = None
        self._cwd = Path.cwd()
        self._parting: Literal["restart", "shutdown"] | None = None

    # Start

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Called before each start and restart: the command line, should it be needed.

        A host that ended is not started again unasked: its user may have closed it.
        """
        extra = kwargs.pop("extra_arguments", None) or []
        if self.parent is not None:
            limit = {"KernelRestarter": {"restart_limit": 0}}
            self.parent.update_config(type(self.parent.config)(limit))
        command = [*self.kernel_spec.argv, *extra]
        return dict(await super().pre_launch(cmd=command, **kwargs))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Called at each start and restart: the kernel's connection information.

        Raises:
            SelectionError: the kernel to attach to is not there, or it could be several.
            HostkernelError: the host did not start, or its kernel does not answer.
        """
        self._cwd = Path(kwargs.get("cwd") or Path.cwd())
        try:
            await self._get_hold(cmd, kwargs.get("env") or dict(os.environ))
        except BaseException:
            self._forget_the_start()
            raise
        assert self._hold is not None
        self._parting = None
        self.connection_info: Any = self._hold.connection_info()
        return self.connection_info

    async def _get_hold(self, cmd: list[str], env: dict[str, str]) -> None:
        if self._hold is not None and self._hold.is_alive:
            await self._hold.renew(asked=self._parting == "restart")
        else:
            await self._release()
            self._hold = await self._new_hold(cmd, env)

    def _forget_the_start(self) -> None:
        # A server of jupyter_client 8 takes a start that failed for one under way, waits for it
        # when it is to end, fails, and never ends.
        pending = getattr(getattr(self.parent, "parent", None), "_pending_kernels", {})
        pending.pop(self.kernel_id, None)

    async def _new_hold(self, cmd: list[str], env: dict[str, str]) -> Hold:
        kernel = open_kernel(self._attach, self._host, env.get(ATTACH) or self._wanted)
        started = kernel is None
        if kernel is None:
            kernel = await start(self._adapted(cmd), env, self._cwd)
        hold = Hold(kernel, ends=started and self._on_shutdown == "exit-host")
        self._check_encryption(kernel)
        await hold.take()
        return hold

    @property
    def _encryption(self) -> str:
        """What this server wants of its kernels: disabled, auto or required."""
        return getattr(self.parent, "transport_encryption", "disabled")

    def _adapted(self, cmd: list[str]) -> list[str]:
        """The command line, for a host that this manager holds."""
        more = []
        if self._encryption != "disabled":
            more = ["--set", "connection.encryption=required"]
        if self._on_shutdown == "exit-host":  # when this manager says so, not any client
            more += ["--set", "kernel.on_shutdown=detach"]
        option = cmd.index("-f") + 2
        while cmd[option : option + 1] == ["--set"]:
            option += 2
        return [*cmd[:option], *more, *cmd[option:]]

    def _check_encryption(self, kernel: RunningKernel) -> None:
        if self._encryption == "required" and kernel.info.curve_publickey is None:
            message = (
                f"{kernel} is not encrypted, and this server requires it; start it with "
                "connection.encryption = required"
            )
            raise HostkernelError(message)

    # What is

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel; no longer, once we let go of one that goes on.

        Otherwise jupyter_client would interrupt it first, whoever's cell it runs.
        """
        if self._hold is None:
            return False
        return self._hold.ends or not getattr(self.parent, "shutting_down", False)

    async def poll(self) -> int | None:
        """Called every few seconds: None while the kernel is there."""
        hold = self._hold
        if hold is None or self._parting == "restart":
            return 0
        if self._parting == "shutdown":
            return None if hold.ends and hold.host_is_alive else 0
        return None if hold.is_alive else 1

    async def wait(self) -> int | None:
        """Called once :meth:`poll` has said that it ended."""
        return 0

    def resolve_path(self, path: str) -> str | None:
        """Called by the debugger: a path as the kernel's working directory makes it."""
        found = (self._cwd / Path(path).expanduser()).resolve()
        return found.as_posix() if found.exists() else None

    # Interrupt, restart, shutdown

    async def send_signal(self, signum: int) -> None:
        """Called where a kernelspec says ``interrupt_mode: signal``; the host gets no signal."""
        if signum == signal.SIGINT and self._hold is not None:
            await self._hold.interrupt()

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Called when the client's request has been sent: from now on it counts as gone.

        The host's own policy says what that request does; what was started here ends here.
        """
        self._parting = "restart" if restart else "shutdown"
        if self._hold is not None and self._hold.ends and not restart:
            await self._hold.end_host()

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """Called before the wait for the end: applications take longer than scripts."""
        return 3 * recommended

    async def terminate(self, restart: bool = False) -> None:
        """Called if it has not ended in time; it has been asked to."""

    async def kill(self, restart: bool = False) -> None:
        """Called if it has still not ended, or to end it at once: only what was started here."""
        if self._hold is not None and self._hold.ends and not restart:
            self._parting = "shutdown"
            self._hold.kill_host()

    async def cleanup(self, restart: bool = False) -> None:
        """Called at the end of a shutdown, and before a restart."""
        if not restart:
            await self._release()

    async def _release(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            await hold.let_go()
