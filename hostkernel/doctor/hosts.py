"""The settings, the plugins, and the hosts that they bring."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from hostkernel import loading
from hostkernel.config import Settings, gather
from hostkernel.errors import ConfigError, HostkernelError, HostNotFoundError, PluginError
from hostkernel.host import Finding, Host, HostSettings
from hostkernel.host.launching import to_start
from hostkernel.launch.bootstrap import OLDEST
from hostkernel.launch.packages import interpreter_for, known_python
from hostkernel.loading import Loaded
from hostkernel.plugins import FAILURES

from .environment import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.host import HostPaths, Installation

__all__ = ["Outside", "read"]


def read(host: str | None) -> Outside:
    """Read the settings and load the plugins, even if some of them are wrong."""
    unchecked = loading.read(gather(host=host), lambda _: None)
    try:
        return Outside(host, unchecked.check())
    except ConfigError as error:
        return Outside(host, Loaded(unchecked.raw, unchecked.plugins, Settings()), error)


class Outside:
    """The settings, plugins and hosts that ``hostkernel run`` would use.

    Args:
        named: what ``--host`` says.
        loaded: the settings, all defaults if they are wrong, and the plugins.
        wrong: what is wrong with the settings.
    """

    def __init__(
        self,
        named: str | None,
        loaded: Loaded,
        wrong: ConfigError | None = None,
    ) -> None:
        self._named = named
        self.loaded = loaded
        self._wrong = wrong

    @property
    def where(self) -> str:
        """The files with settings."""
        used = [str(place.path) for place in self.loaded.raw.tables.places if place.state == "used"]
        return ", ".join(used) or "no files, only defaults"

    def setting_findings(self) -> Iterator[Finding]:
        """What is wrong with the settings."""
        for problem in self._wrong.problems if self._wrong else ():
            yield Finding(str(problem), "hostkernel config check", prevents=True)

    @property
    def plugin_names(self) -> str:
        """The plugins' names, comma-separated."""
        return ", ".join(str(info) for info in self.loaded.plugins.loaded)

    def plugin_findings(self) -> Iterator[Finding]:
        """The plugins that cannot be loaded; everything else works without them."""
        for problem in self.loaded.plugins.problems:
            fix = f"take {problem.plugin} out of plugins.paths: hostkernel config show --origin"
            if problem.distribution:
                without = f"hostkernel run --set 'plugins.disable=[\"{problem.plugin}\"]'"
                fix = f"{pip_install(problem.distribution)} --upgrade, or {without}"
            yield Finding(str(problem), fix)

    @property
    def paths(self) -> HostPaths:
        """The folders of the host that would start."""
        name = self._chosen()
        if name not in self.loaded.plugins.hosts:
            return Host(HostSettings()).paths()
        return self.loaded.plugins.paths(self.loaded.host(name))

    def examined(self) -> Iterator[_Examined]:
        """The hosts to look at, the one that would start first."""
        first = self._chosen()
        if first is not None:
            yield _Examined(first, self, would_start=True)
        others = self.loaded.plugins.hosts.keys() - {first} if self._named is None else ()
        for name in sorted(others):
            yield _Examined(name, self, would_start=False)

    def _chosen(self) -> str | None:
        hosts = self.loaded.plugins.hosts.items()
        fallbacks = [name for name, host in hosts if host.fallback]
        return self._named or self.loaded.settings.host or next(iter(fallbacks), None)


class _Examined:
    """One host to examine."""

    def __init__(self, name: str, outside: Outside, *, would_start: bool) -> None:
        self.name = name
        self._outside = outside
        self._would_start = would_start
        self._found: Installation | None = None
        self._trouble: list[Finding] = []
        self._adapter = self._find()

    @property
    def subject(self) -> str:
        """The host's path, and the version of the Python inside."""
        if self._found is None:
            return "-"
        python = self._found.python
        return f"{self._found.path}" + (f", Python {python}" if python else "")

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the host; only warnings if another host would start."""
        for finding in (*self._trouble, *self._diagnosed()):
            yield finding if self._would_start else replace(finding, prevents=False)

    def _find(self) -> Host | None:
        try:
            adapter = self._outside.loaded.host(self.name)
            if not (command := adapter.settings.command):
                self._found = to_start(adapter.find())
            elif shutil.which(command[0]) is None:
                problem = f"hosts.{self.name}.command is {command[0]}, which is not to be found"
                self._trouble.append(Finding(problem, "hostkernel config show --origin", True))
        except HostNotFoundError as error:
            if self._would_start:
                fix = error.hint or "hostkernel hosts"
                self._trouble.append(Finding(error.reason, fix, prevents=True))
        except HostkernelError as error:
            self._trouble.append(Finding(str(error), "hostkernel hosts", prevents=True))
        except FAILURES as error:
            self._blame(error, "find")
        else:
            return adapter
        return None

    def _blame(self, error: BaseException, method: str) -> None:
        infos = self._outside.loaded.plugins.loaded
        info = next(info for info in infos if self.name in info.hosts)
        blamed: PluginError = info.blame_exception(error, f"{self.name}.{method}")
        self._trouble.append(Finding(str(blamed), "hostkernel plugins", prevents=True))

    def _diagnosed(self) -> list[Finding]:
        if self._adapter is None:
            return []
        try:
            return [*self._python(self._adapter), *self._adapter.diagnose()]
        except FAILURES as error:
            self._blame(error, "diagnose")
            return self._trouble[-1:]

    def _python(self, host: Host) -> Iterator[Finding]:
        """Check that hostkernel can serve the Python inside."""
        cache = self._outside.paths.cache / "packages"
        inside = self._found.python if self._found else None
        if inside is None and self._found and self._found.path.is_file():
            inside = known_python(str(self._found.path), self._outside.paths.cache)
        if inside is None or inside == f"{sys.version_info.major}.{sys.version_info.minor}":
            return
        if tuple(map(int, inside.split("."))) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            problem = f"its Python is {inside}, and {oldest} or newer is needed"
            yield Finding(problem, f"install a newer {self.name}", prevents=True)
            return
        is_prepared = any((cache / f"python{inside}").glob("packages-*"))
        if not is_prepared and interpreter_for(host, inside) is None:
            problem = f"its Python is {inside}, and none was found to fetch packages with"
            fix = f"put a python{inside} on PATH, or install hostkernel for it"
            yield Finding(problem, fix, prevents=True)
