"""The plugins of this process and the hosts they bring."""

from __future__ import annotations

import inspect
import logging
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pluggy

from hostkernel import hookspecs
from hostkernel.errors import AmbiguousHostError, PluginError, UnknownHostError

from .checks import RESULTS, WrongResultError, check_hooks, nearest
from .sources import FAILURES, PluginInfo, Source, installed, local

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from hostkernel.host import Host, HostPaths

__all__ = ["Plugins"]

log = logging.getLogger("hostkernel.plugins")


class Plugins:
    """Every plugin that could be loaded, what was wrong with the others, and the hosts.

    Attributes:
        hosts: the adapter classes, by name.
        problems: one error for each thing that was left out.
        report: called with each problem as it turns up, on the thread that loads plugins or
            calls a hook. By default each distinct problem is logged once, so that an observer of
            cells that always fails does not fill the log.

    Example::

        plugins = Plugins.load(paths=[Path("my_host.py")])
        host_class = plugins.host_class("my_host")
    """

    def __init__(self, report: Callable[[PluginError], None] | None = None) -> None:
        self.hosts: dict[str, type[Host]] = {}
        self.problems: list[PluginError] = []
        self.report = report or _LogOnce()
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: dict[str, PluginInfo] = {}
        self._contested: dict[str, PluginError] = {}

    @classmethod
    def load(
        cls,
        paths: Sequence[Path] = (),
        disable: Collection[str] = (),
        report: Callable[[PluginError], None] | None = None,
    ) -> Self:
        """Load the installed plugins, then the local ones. Never fails; see ``problems``.

        Args:
            paths: Python files that are plugins.
            disable: names of installed plugins, or of their distributions, to leave out.
            report: see the class.
        """
        plugins = cls(report)
        brought = defaultdict(list)
        for key, source in enumerate([*installed(), *map(local, dict.fromkeys(paths))]):
            for host in plugins._add(str(key), source, disable):
                brought[host.name].append((str(key), host))
        plugins._settle(brought)
        return plugins

    def register(self, name: str, plugin: object) -> None:
        """Add an object with hooks, made by the caller; hosts that it brings are not added.

        Args:
            name: the object's name in errors of its hooks.
            plugin: the object; its methods are the hooks.

        Raises:
            PluginError: a method would not be called as its author expects.
        """
        key, info = str(len(self._plugins)), PluginInfo(name)
        self._register(key, Source(info, lambda: plugin))
        self._plugins[key] = info

    @property
    def loaded(self) -> Sequence[PluginInfo]:
        """Every plugin that was found, including those left out, in the order found."""
        return tuple(self._plugins.values())

    def _add(self, key: str, source: Source, disable: Collection[str]) -> Sequence[type[Host]]:
        """Load one plugin completely or not at all, and return the hosts it brings."""
        info = self._plugins[key] = source.info
        if info.path is None and not {info.name, info.distribution}.isdisjoint(disable):
            self._plugins[key] = replace(info, disabled=True)
            return ()
        try:
            self._register(key, source)
            return self._hosts_of(key)
        except PluginError as problem:
            self._manager.unregister(name=key)
            self._record(problem)
            self._plugins[key] = replace(info, problem=problem)
            return ()

    def _register(self, key: str, source: Source) -> None:
        try:
            plugin = source.read()
            if twin := self._manager.get_name(plugin):
                raise source.info.blame(f"is the same as plugin {self._plugins[twin]}")
            check_hooks(source.info, plugin, self._manager)
            self._manager.register(plugin, key)
        except PluginError:
            raise
        except FAILURES as error:
            raise source.info.blame_exception(error) from error

    def _hosts_of(self, key: str) -> list[type[Host]]:
        hook = "hostkernel_hosts"
        mine = [impl for impl in self._implementations(hook) if impl.plugin_name == key]
        hosts = [host for impl in mine for host in self._call(impl, hook, {})]
        names = [host.name for host in hosts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise self._plugins[key].blame(f"brings two hosts called {min(twice)!r}", hook)
        return hosts

    def _settle(self, brought: Mapping[str, Sequence[tuple[str, type[Host]]]]) -> None:
        """Give each name to the one plugin that brings it, or to none."""
        for name, claims in brought.items():
            keys = [key for key, _ in claims]
            if len(claims) > 1:
                self._contest(name, keys)
                continue
            self.hosts[name] = claims[0][1]
            info = self._plugins[keys[0]]
            self._plugins[keys[0]] = replace(info, hosts=(*info.hosts, name))

    def _contest(self, name: str, keys: Sequence[str]) -> None:
        first, *others = (self._plugins[key] for key in keys)
        reason = (
            f"host {name!r} is brought by {' and by '.join(map(str, others))} too, so neither "
            f"is used: leave one out with [plugins] disable"
        )
        problem = self._contested[name] = first.blame(reason, "hostkernel_hosts")
        self._record(problem)
        for key in keys:
            self._plugins[key] = replace(self._plugins[key], problem=problem)

    def _record(self, problem: PluginError) -> None:
        self.problems.append(problem)
        self.report(problem)

    # Hosts

    def host_class(self, name: str) -> type[Host]:
        """The adapter called ``name``.

        Raises:
            PluginError: its plugin is broken, or another claims the same name.
            UnknownHostError: no plugin brings it.
        """
        if name in self.hosts:
            return self.hosts[name]
        if name in self._contested:
            raise self._contested[name]
        for info in self.loaded:
            if info.problem and name in {info.name, info.path and info.path.stem}:
                raise info.problem
        known = sorted(self.hosts)
        raise UnknownHostError(name, known, nearest(name, known), tuple(self.problems))

    def detect(self) -> type[Host]:
        """Called inside: the adapter of this process, else the fallback.

        Raises:
            AmbiguousHostError: two unrelated adapters recognise this process.
            UnknownHostError: none does, and there is no fallback.
        """
        fallbacks = [host for host in self.hosts.values() if vars(host).get("fallback")]
        candidates = self.detected() or fallbacks
        if len(candidates) > 1:
            raise AmbiguousHostError(sorted(host.name for host in candidates))
        if not candidates:
            raise UnknownHostError(None, sorted(self.hosts), broken=tuple(self.problems))
        return candidates[0]

    def detected(self) -> list[type[Host]]:
        """Called inside: the adapters that recognise this process, without their bases."""
        claims = [host for host in self.hosts.values() if self._recognises(host)]
        bases = {base for host in claims for base in host.__mro__[1:]}
        return [host for host in claims if host not in bases]

    def _recognises(self, host: type[Host]) -> bool:
        own = inspect.getattr_static(host, "detect")
        bases = set(self.hosts.values()).intersection(host.__mro__[1:])
        if any(own is inspect.getattr_static(base, "detect") for base in bases):
            return False
        try:
            return bool(host.detect())
        except FAILURES as error:
            info = next(info for info in self.loaded if host.name in info.hosts)
            self._record(info.blame_exception(error, f"{host.__qualname__}.detect"))
            return False

    def paths(self, host: Host) -> HostPaths:
        """The folders of ``host``: those that a plugin redirects it to, else the adapter's own."""
        redirected: HostPaths | None = self.first("hostkernel_paths", host=host)
        return redirected or host.paths()

    # Hooks

    def collect(self, hook: str, **arguments: object) -> list[Any]:
        """Call a hook of every plugin; report failures, and leave them out.

        Args:
            hook: the full name, such as ``"hostkernel_namespace"``.
            arguments: all the arguments of the hook.

        Returns:
            What the plugins returned: local plugins first, then the last installed.
        """
        return [result for _, result in self._results(hook, arguments)]

    def first(self, hook: str, **arguments: object) -> Any:
        """Like :meth:`collect`, up to the first result that is not None; else None."""
        results = self._results(hook, arguments)
        return next((result for _, result in results if result is not None), None)

    def notify(self, hook: str, **arguments: object) -> None:
        """Like :meth:`collect`, for hooks that return nothing."""
        for _ in self._results(hook, arguments):
            pass

    def use(self, hook: str, use: Callable[[Any], object], **arguments: object) -> None:
        """Like :meth:`collect`, and call ``use`` with each item of each result.

        A failure of ``use`` is reported as the failure of the plugin that returned the item.
        """
        for info, result in self._results(hook, arguments):
            for item in result:
                try:
                    use(item)
                except FAILURES as error:
                    self.report(info.blame_exception(error, f"{hook}, {item!r}"))

    def _results(
        self, hook: str, arguments: Mapping[str, object]
    ) -> Iterator[tuple[PluginInfo, Any]]:
        for impl in self._implementations(hook):
            try:
                result = self._call(impl, hook, arguments)
            except PluginError as problem:
                self.report(problem)
            else:
                yield self._plugins[impl.plugin_name], result

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return caller.get_hookimpls()[::-1]

    def _call(self, impl: pluggy.HookImpl, hook: str, arguments: Mapping[str, object]) -> Any:
        info = self._plugins[impl.plugin_name]
        try:
            return RESULTS[hook](impl.function(*(arguments[name] for name in impl.argnames)))
        except WrongResultError as error:
            raise info.blame(str(error), hook) from None
        except FAILURES as error:
            raise info.blame_exception(error, hook) from error


class _LogOnce:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, problem: PluginError) -> None:
        if str(problem) not in self._seen:
            self._seen.add(str(problem))
            log.error("%s", problem)
            log.debug("It came from here:", exc_info=problem.__cause__)
