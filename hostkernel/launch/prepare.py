"""Outside: read the settings, load the plugins, choose the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostkernel import config
from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError
from hostkernel.plugins import Plugins
from hostkernel.registry import owner_is_gone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hostkernel.config import Settings, Tables
    from hostkernel.host import Host, HostPaths

__all__ = ["Prepared", "prepare", "usable_connection_file"]


@dataclass(frozen=True)
class Prepared:
    """All that is needed to start a host.

    Attributes:
        host: the adapter, with its settings.
        settings: validated.
        tables: the same as they were written, for the inside to validate again.
        plugins: of this side.

    """

    host: Host
    settings: Settings
    tables: Tables
    plugins: Plugins

    @property
    def paths(self) -> HostPaths:
        """Where the host's files live."""
        found: HostPaths | None = self.plugins.first("hostkernel_paths", host=self.host)
        return found or self.host.paths()

    def dump(self) -> str:
        """The settings for the inside."""
        return self.tables.dump(self.plugins.hosts, self.host.name)


def prepare(
    host: str | None = None, overrides: Sequence[str] = (), config_file: Path | None = None
) -> Prepared:
    """Read the settings and choose the host they name, else the fallback.

    Args:
        host: what ``--host`` says.
        overrides: what each ``--set`` says.
        config_file: what ``--config`` says.

    Raises:
        ConfigError: with every problem of the settings.
        UnknownHostError: no plugin brings the host.
        PluginError: its plugin is broken.

    """
    tables = config.gather(overrides, host=host, config=config_file)
    wanted = tables.plugin_settings()
    plugins = Plugins.load(wanted.paths, wanted.disable)
    if host is not None:
        plugins.host_class(host)  # knows more of why there is none than the settings do
    settings = tables.validate(plugins.hosts, plugins.problems)
    host_class = plugins.host_class(settings.host) if settings.host else plugins.detect()
    return Prepared(host_class(settings.for_host(host_class)), settings, tables, plugins)


def usable_connection_file(file: Path | None) -> Path | None:
    """The launcher's file from ``-f`` as an absolute path; it need not exist.

    Raises:
        ConnectionFileError: it exists and is broken, or a running kernel uses it.

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
