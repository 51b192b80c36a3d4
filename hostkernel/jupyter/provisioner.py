"""Outside, in the process of a Jupyter server, papermill or any other kernel manager.

Loaded by jupyter_client from the entry-point group ``jupyter_client.kernel_provisioners``, for
kernelspecs that name ``hostkernel-provisioner``.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jupyter_client.provisioning import KernelProvisionerBase

from hostkernel.config.models import ATTACH
from hostkernel.errors import HostkernelError
from hostkernel.processes import current_environment

from .choose import open_kernel
from .hold import Hold
from .start import start

if TYPE_CHECKING:
    from hostkernel.registry import RunningKernel

    from .choose import Attach

__all__ = ["HostkernelProvisioner"]


class HostkernelProvisioner(KernelProvisionerBase):
    """Attach to an open kernel, or start a host; Restart keeps the host either way.

    Args:
        attach: see :data:`~hostkernel.jupyter.choose.Attach`.
        host: consider kernels of this host only.
        kernel: names the kernel: id prefix, host, pid or title. The environment variable
            ``HOSTKERNEL_ATTACH`` overrides it; without either, the only kernel there is.
        on_shutdown: the policy ``kernel.on_shutdown`` of the hosts that ``argv`` starts.
        traits: the arguments that jupyter_client itself passes.
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
        """Return the launch arguments with the command line; called before each start and restart.

        Also turn off automatic restarts: the host's user may have closed a host that ended.
        """
        extra = kwargs.pop("extra_arguments", None) or []
        if self.parent is not None:
            limit = {"KernelRestarter": {"restart_limit": 0}}
            self.parent.update_config(type(self.parent.config)(limit))
        command = [*self.kernel_spec.argv, *extra]
        return dict(await super().pre_launch(cmd=command, **kwargs))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Attach, start or restart, and return the kernel's connection information.

        Called at each start and restart.

        Raises:
            SelectionError: no kernel to attach to fits, or several do.
            HostkernelError: the host did not start, or its kernel does not answer.
        """
        self._cwd = Path(kwargs.get("cwd") or Path.cwd())
        try:
            await self._get_hold(cmd, kwargs.get("env") or current_environment())
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
        # jupyter_client 8 keeps a failed start as pending. A server that is to end waits for that
        # start, fails, and never ends.
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
        """The server's encryption policy for its kernels: disabled, auto or required."""
        return getattr(self.parent, "transport_encryption", "disabled")

    def _adapted(self, cmd: list[str]) -> list[str]:
        """The command line with the settings of a host that this manager holds."""
        more = []
        if self._encryption != "disabled":
            more = ["--set", "connection.encryption=required"]
        if self._on_shutdown == "exit-host":  # this manager ends the host, not any client
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
        """Whether there is a kernel; False once a shutdown releases a kernel that goes on.

        Otherwise jupyter_client would first interrupt the kernel, even in another client's cell.
        """
        if self._hold is None:
            return False
        return self._hold.ends or not getattr(self.parent, "shutting_down", False)

    async def poll(self) -> int | None:
        """Return None while the kernel runs, else an exit status; called every few seconds."""
        hold = self._hold
        if hold is None or self._parting == "restart":
            return 0
        if self._parting == "shutdown":
            return None if hold.ends and hold.host_is_alive else 0
        return None if hold.is_alive else 1

    async def wait(self) -> int | None:
        """Return at once; called after :meth:`poll` has reported the end."""
        return 0

    def resolve_path(self, path: str) -> str | None:
        """Resolve a path against the kernel's working directory; called by the debugger."""
        found = (self._cwd / Path(path).expanduser()).resolve()
        return found.as_posix() if found.exists() else None

    # Interrupt, restart, shutdown

    async def send_signal(self, signum: int) -> None:
        """Interrupt the cell on SIGINT; the host gets no signal.

        Called where a kernelspec says ``interrupt_mode: signal``.
        """
        if signum == signal.SIGINT and self._hold is not None:
            await self._hold.interrupt()

    async def shutdown_requested(self, restart: bool = False) -> None:
        """End the host, if it was started to end with this manager.

        Called when the client's request has been sent: from now on a kernel that goes on counts
        as gone. The host's own policy decides what the request does.
        """
        self._parting = "restart" if restart else "shutdown"
        if self._hold is not None and self._hold.ends and not restart:
            await self._hold.end_host()

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """Return three times the recommended seconds: applications end more slowly than scripts."""
        return 3 * recommended

    async def terminate(self, restart: bool = False) -> None:
        """Do nothing: the host has been asked to end. Called if it has not ended in time."""

    async def kill(self, restart: bool = False) -> None:
        """Kill the host, if it was started to end with this manager.

        Called if the host has still not ended, or must end at once.
        """
        if self._hold is not None and self._hold.ends and not restart:
            self._parting = "shutdown"
            self._hold.kill_host()

    async def cleanup(self, restart: bool = False) -> None:
        """Release the kernel, except before a restart.

        Called at the end of a shutdown, and before a restart.
        """
        if not restart:
            await self._release()

    async def _release(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            await hold.let_go()
