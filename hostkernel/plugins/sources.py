"""Where plugins come from: entry points of installed distributions, and plain files."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import os.path
import sys
import time
import traceback
import zlib
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.errors import PluginError
from hostkernel.hookspecs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = ["FAILURES", "PluginInfo", "Source", "installed", "local"]

FAILURES = (Exception, SystemExit)
"""What a plugin may raise without harming anything else; KeyboardInterrupt is the user's."""

_NOT_THEIRS = (f"{PROJECT}.", "IPython.", "importlib.", "_frozen_importlib")
_SETTLED = 2.0  # seconds after a folder's change until an installer has finished in it


@dataclass(frozen=True)
class PluginInfo:
    """What is known about one plugin.

    Attributes:
        name: the entry point's name, or the path of a local plugin.
        distribution: the installed distribution that brings it, if any.
        version: that distribution's version, if any.
        path: the file of a local plugin.
        hosts: the names of the hosts it brings.
        problem: why it was left out, or why one of its hosts was.
        disabled: left out because the settings say so.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    path: Path | None = None
    hosts: tuple[str, ...] = ()
    problem: PluginError | None = None
    disabled: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})" if self.version else self.name

    def blame(self, reason: str, hook: str | None = None) -> PluginError:
        """An error that names this plugin."""
        return PluginError(self.name, reason, self.distribution, self.version, hook)

    def blame_exception(self, error: BaseException, hook: str | None = None) -> PluginError:
        """An error that names this plugin and the line in it that ``error`` came from."""
        problem = self.blame(f"{type(error).__name__}: {error}{_where(error)}", hook)
        problem.__cause__ = error
        return problem


def _where(error: BaseException) -> str:
    """The plugin's line: the first frame outside hostkernel, IPython and the import system."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = f"{frame.f_globals.get('__name__')}."
        if not module.startswith(_NOT_THEIRS):
            return f" ({frame.f_code.co_filename}:{line})"
    return ""


@dataclass(frozen=True)
class Source:
    """A plugin that is not loaded yet.

    Attributes:
        info: what is known before loading.
        read: imports the plugin and returns it.
    """

    info: PluginInfo
    read: Callable[[], object]


def installed() -> tuple[Source, ...]:
    """The entry points of every installed distribution, none of them loaded.

    Reading them takes a quarter of a kernel's start, so the result is cached until something is
    installed, removed or put on ``sys.path``.
    """
    folders = tuple((str(folder), _changed(folder)) for folder in sys.path)
    if max((changed for _, changed in folders), default=0.0) > time.time() - _SETTLED:
        _installed.cache_clear()
    return _installed(folders)


def _changed(folder: str) -> float:
    try:
        return Path(folder).stat().st_mtime
    except (OSError, TypeError, ValueError):  # there may be anything on sys.path
        return 0.0


@functools.lru_cache(maxsize=1)
def _installed(_folders: object) -> tuple[Source, ...]:
    entries = importlib.metadata.entry_points(group=PROJECT)
    return tuple(Source(_identify(entry), entry.load) for entry in entries)


def _identify(entry: EntryPoint) -> PluginInfo:
    # A distribution with broken metadata still has its entry points.
    with contextlib.suppress(*FAILURES):
        if entry.dist:
            metadata = entry.dist.metadata
            return PluginInfo(entry.name, metadata["Name"], metadata["Version"])
    return PluginInfo(entry.name)


def local(path: Path) -> Source:
    """The Python file ``path`` as a plugin, not loaded."""
    return Source(PluginInfo(str(path), path=path), functools.partial(_run_file, path))


def _run_file(path: Path) -> object:
    name = f"_{PROJECT}_{path.stem}_{zlib.crc32(os.path.realpath(path).encode()):08x}"
    loader = SourceFileLoader(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True  # so that the module has __file__, and its source can be found
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
