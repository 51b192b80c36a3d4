"""Load the settings and the plugins, inside and outside, and make the adapter of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostkernel.config import gather
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hostkernel.config import Raw, Settings, Tables
    from hostkernel.errors import PluginError
    from hostkernel.host import Host

__all__ = ["Loaded", "Unchecked", "load", "read"]


# Plain classes: each dataclass that is made takes half a millisecond of every kernel's start.


class Loaded:
    """The validated settings and the plugins that typed them.

    Attributes:
        raw: the settings as they were written, and where each value came from.
        plugins: those that could be loaded, and what was wrong with the others.
        settings: the validated settings.

    """

    def __init__(self, raw: Raw, plugins: Plugins, settings: Settings) -> None:
        self.raw = raw
        self.plugins = plugins
        self.settings = settings

    def host(self, name: str | None = None) -> Host:
        """Make the adapter of a host, with the settings of ``[hosts.NAME]``.

        Args:
            name: the host's name; None, inside only, detects the host of this process.

        Raises:
            UnknownHostError: no plugin brings the host, or no adapter recognises this process.
            AmbiguousHostError: two unrelated adapters recognise this process.
            PluginError: the host's plugin is broken.
            ConfigError: the host has no table and needs one.

        """
        kind = self.plugins.host_class(name) if name is not None else self.plugins.detect()
        return kind(self.settings.for_host(kind))


class Unchecked:
    """The plugins, and the settings before their validation."""

    def __init__(self, raw: Raw, plugins: Plugins) -> None:
        self.raw = raw
        self.plugins = plugins

    def check(self) -> Loaded:
        """Validate the settings.

        Raises:
            ConfigError: holds every problem of every place.

        """
        return Loaded(self.raw, self.plugins, self.raw.validate(self.plugins.problems))


def load(
    overrides: Sequence[str] = (),
    *,
    host: str | None = None,
    config: Path | None = None,
    search_project: bool = True,
) -> Loaded:
    """Read the settings of every place, load the plugins they name, and validate the settings.

    A plugin that cannot be loaded is logged and left out.

    Args:
        overrides: ``KEY=VALUE`` each, as ``--set`` has them; later ones win.
        host: what ``--host`` says, the strongest.
        config: what ``--config`` says: this file in place of a project file.
        search_project: whether to look for a project file if no file is named.

    Raises:
        ConfigError: holds every problem of every place.

    Example::

        loaded = load(["kernel.log_level=debug"])
        print(loaded.settings.kernel.log_level, loaded.raw.origins()["kernel.log_level"])
    """
    tables = gather(overrides, host=host, config=config, search_project=search_project)
    return read(tables).check()


def read(tables: Tables, report: Callable[[PluginError], None] | None = None) -> Unchecked:
    """Load the plugins that ``tables`` name; one that cannot be loaded is reported and left out.

    Args:
        tables: the settings as they were written.
        report: called with each problem of a plugin; by default problems are logged.

    """
    wanted = tables.plugin_settings()
    plugins = Plugins.load(wanted.paths, wanted.disable, report)
    return Unchecked(tables.merge(plugins.hosts), plugins)
