"""Inside the host: the kernel of this process, and how to start and stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostkernel.errors import NotRunningError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .manager import HostKernelManager, StopReport

__all__ = ["current", "restart", "serve", "start", "stop"]


def start(
    host: str | None = None,
    *,
    config: Path | None = None,
    overrides: Sequence[str] = (),
) -> HostKernelManager:
    """Start a kernel in this process.

    Called inside a host, on its main thread.

    Args:
        host: the adapter's name; detected if None.
        config: a settings file. Inside an application, no project file is used.
        overrides: settings as on the command line, such as ``"kernel.log_level=debug"``.

    Returns:
        The manager of the running kernel.

    Raises:
        ConfigError, PluginError, HostError: the settings or the adapter cannot be used.
        HostkernelError, zmq.ZMQError: for the reasons that :meth:`HostKernelManager.start` has.

    Example::

        import hostkernel

        kernel = hostkernel.start()
        print("jupyter console --existing", kernel.connection_file)
    """
    return _manager(host, config, overrides).start()


def serve(
    host: str | None = None,
    *,
    config: Path | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Start a kernel as :func:`start` does, and run it here until it is stopped."""
    _manager(host, config, overrides).serve()


def stop() -> StopReport:
    """Stop the kernel of this process; see :meth:`HostKernelManager.stop`."""
    return _running("stop").stop()


def restart() -> None:
    """Restart the kernel of this process in place; see :meth:`HostKernelManager.restart`."""
    _running("restart").restart()


def current() -> HostKernelManager | None:
    """Return the manager of the kernel in this process, None if there is no kernel."""
    from .state import current as running

    return running()


def _running(action: str) -> HostKernelManager:
    manager = current()
    if manager is None:
        raise NotRunningError(action)
    return manager


def _manager(name: str | None, config: Path | None, overrides: Sequence[str]) -> HostKernelManager:
    from hostkernel.loading import load

    from .manager import HostKernelManager

    loaded = load(overrides, host=name, config=config, search_project=False)
    host = loaded.host(name)
    assumed = not name and bool(vars(type(host)).get("fallback"))
    return HostKernelManager(host, loaded.settings, loaded.plugins, assumed=assumed)
