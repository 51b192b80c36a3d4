"""Outside: read the settings, load the plugins, choose the host."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.config import gather
from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, HostkernelError, LaunchError
from hostkernel.host import Launch, LaunchRequest
from hostkernel.host.launching import to_start
from hostkernel.loading import Loaded, read
from hostkernel.plugins import FAILURES
from hostkernel.registry import owner_is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostkernel.host import Host, HostPaths
    from hostkernel.plugins import Plugins

    from .orders import Orders

__all__ = ["Prepared", "prepare", "usable_connection_file"]

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py").resolve()


@dataclass(frozen=True)
class Prepared:
    """Everything that is needed to start a host.

    Attributes:
        host: the adapter, with its settings.
        loaded: the settings and the plugins of the outside.

    """

    host: Host
    loaded: Loaded

    @property
    def paths(self) -> HostPaths:
        """Where the host's files live."""
        return self.loaded.plugins.paths(self.host)

    def launch(self, args: tuple[str, ...], *, detach: bool = False) -> tuple[Launch, bool]:
        """Return how to start the host, and whether its process is for hostkernel only.

        Args:
            args: the user's own arguments.
            detach: start the host in a process of its own in any case.

        Raises:
            HostNotFoundError: the application is not on this machine.
            LaunchError: the adapter cannot start the host in this way.
            PluginError: the adapter is broken.

        """
        host, command = self.host, self.host.settings.command
        with _blaming(self.loaded.plugins, type(host), "find"):
            installation = None if command else to_start(host.find())
        with _blaming(self.loaded.plugins, type(host), "launch"):
            launch = host.launch(LaunchRequest(_BOOTSTRAP, args, installation))
            if not isinstance(launch, Launch) or not (launch.argv or launch.in_process):
                message = f"returned {launch!r}; it should return a Launch that starts something"
                raise TypeError(message)
        owns_process = launch.in_process
        if launch.in_process and (detach or command):
            argv = (sys.executable, str(_BOOTSTRAP))
            launch = replace(launch, argv=argv, in_process=False)
        if command:
            launch = replace(launch, argv=(*command, *launch.argv[1:]))
        told = launch.python or (installation.python if installation else None)
        env = {**launch.env, **host.settings.env}
        return replace(launch, env=env, python=told), owns_process

    def furnished(self, orders: Orders, python: str, tell: Callable[[str], None]) -> Orders:
        """Return the orders for a host with another Python, with packages for that Python.

        Args:
            orders: the orders for a host with our Python.
            python: the minor version inside.
            tell: called with messages on the progress if something has to be fetched.

        Raises:
            LaunchError: the packages cannot be obtained.

        """
        from .orders import Orders
        from .packages import packages_for

        if python == Orders.python:
            return replace(orders, python=python, sites=())
        cache = self.paths.cache / "packages"
        sites = packages_for(self.host, python, self.loaded.plugins.loaded, cache, tell)
        return replace(orders, python=python, sites=sites)

    def complete(self, error: LaunchError) -> None:
        """Add the adapter's advice as the hint of ``error``, unless it already has one.

        Raises:
            PluginError: the adapter is broken.

        """
        if error.hint is None:
            with _blaming(self.loaded.plugins, type(self.host), "advise"):
                error.hint = self.host.advise(error)

    def log_file(self, kernel_id: str) -> Path:
        """Create a file for the output of a detached host.

        Raises:
            LaunchError: the file cannot be written.

        """
        file = self.paths.log / f"{self.host.name}-{kernel_id}.log"
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            reason = f"its log {file} cannot be written: {error.strerror or error}"
            raise LaunchError(self.host.name, reason) from error
        return file

    def dump(self) -> str:
        """The settings as text, for the inside."""
        return self.loaded.raw.dump(self.host.name)


def prepare(
    host: str | None = None, overrides: Sequence[str] = (), config_file: Path | None = None
) -> Prepared:
    """Read the settings and choose the host that they name, else the fallback.

    Args:
        host: the value of ``--host``.
        overrides: the value of each ``--set``.
        config_file: the value of ``--config``.

    Raises:
        ConfigError: the settings are wrong; it lists every problem.
        UnknownHostError: no plugin provides the host.
        PluginError: the host's plugin is broken.

    """
    unchecked = read(gather(overrides, host=host, config=config_file))
    plugins = unchecked.plugins
    if host is not None:
        plugins.host_class(host)  # explains a missing host better than the settings do
    loaded = unchecked.check()
    name = loaded.settings.host
    host_class = plugins.host_class(name) if name else plugins.detect()
    with _blaming(plugins, host_class, "__init__"):
        return Prepared(loaded.host(host_class.name), loaded)


@contextmanager
def _blaming(plugins: Plugins, host: type[Host], method: str) -> Iterator[None]:
    try:
        yield
    except HostkernelError:
        raise
    except FAILURES as error:
        info = next(info for info in plugins.loaded if host.name in info.hosts)
        raise info.blame_exception(error, f"{host.__qualname__}.{method}") from error


def usable_connection_file(file: Path | None) -> Path | None:
    """The launcher's file from ``-f`` as an absolute path; it need not exist.

    Raises:
        ConnectionFileError: the file exists and is broken, or a running kernel uses it.

    """
    if file is None:
        return None
    file = file.expanduser().absolute()
    if not file.exists():
        return file
    facts = (info := ConnectionInfo.read(file)).hostkernel
    if facts is not None and not owner_is_gone(info):
        raise ConnectionFileError(file, f"a kernel is using it ({facts.host}, pid {facts.pid})")
    return file
