"""The host's real Python, for what cells start: child interpreters and pip.

``sys.executable`` names something else in most applications, at worst the application.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class

from hostkernel.kernel.process.residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hostkernel.host import Host

    from .shell import HostShell

__all__ = ["Interpreter", "PipMagics"]

log = logging.getLogger("hostkernel.kernel")

# Where pip puts packages under a prefix: in Python's scheme, in Debian's, and on Windows.
_SITES = ("lib/python*/site-packages", "local/lib/python*/dist-packages", "Lib/site-packages")
# pip removes nothing outside sys.prefix, so the host's own packages are safe.
_UNINSTALL = (
    "import runpy, sys; sys.prefix = sys.argv.pop(1); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
# A second name that multiprocessing gives to __main__. Applications free their own __main__
# whether it has other owners or not, and crash when they walk through sys.modules at their end.
_ALIAS = "__mp_main__"
_PLACED = re.compile(r"(-t|--target|--prefix|--root|--user)(=|$)")


class Interpreter:
    """The host's real Python and packages. Made at start, on the kernel's thread.

    An error of the adapter is logged.

    Args:
        host: the adapter that names them.
        in_a_cell: whether the caller is a cell, or a thread or task of one.
    """

    def __init__(self, host: Host, in_a_cell: Callable[[], bool]) -> None:
        self._host = host.name
        self._processes = _Processes(in_a_cell)
        self.command: tuple[str, ...] = (sys.executable,)
        self.folder: Path | None = None
        self._added: list[str] = []
        try:
            self.command = tuple(host.interpreter())
            self.folder = host.packages()
        except Exception:
            log.exception("%s: interpreter() or packages() failed", type(host).__qualname__)
        self.add_packages()

    @contextmanager
    def named(self) -> Iterator[None]:
        """Make ``sys.executable`` and multiprocessing name this Python, during a cell's step."""
        self._processes.install()
        if self.command == (sys.executable,) or len(self.command) != 1:
            yield
            return
        executable, sys.executable = sys.executable, self.command[0]
        try:
            with self._processes.started_by(sys.executable):
                yield
        finally:
            if sys.executable == self.command[0]:
                sys.executable = executable

    @property
    def sites(self) -> list[str]:
        """The directories of packages in :attr:`folder`."""
        if self.folder is None:
            return []
        return [str(place) for pattern in _SITES for place in sorted(self.folder.glob(pattern))]

    def add_packages(self) -> None:
        """Make the packages in :attr:`folder` importable, after all of the host's own."""
        for place in self.sites:
            if place not in sys.path:
                sys.path.append(place)
                self._added.append(place)
        importlib.invalidate_caches()

    def close(self) -> None:
        """Undo :meth:`add_packages` and the change to multiprocessing."""
        self._processes.remove()
        for place in self._added:
            if place in sys.path:
                sys.path.remove(place)

    def pip(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """Return the command for pip without ``arguments``, to run in :meth:`pip_environment`."""
        if self.folder is None or arguments[:1] != ["uninstall"]:
            return (*self.command, "-m", "pip")
        return (*self.command, "-c", _UNINSTALL, str(self.folder))

    @contextmanager
    def pip_environment(self, arguments: Sequence[str]) -> Iterator[None]:
        """While inside, have pip install into :attr:`folder` and see the host's packages."""
        if self.folder is None:
            yield
            return
        places = [*self.sites, *(place for place in sys.path if place.endswith("-packages"))]
        values = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}
        if not any(map(_PLACED.match, arguments)):
            values["PIP_PREFIX"] = str(self.folder)
        saved = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            restore_environment(saved)


class _Processes:
    """Keeps :mod:`multiprocessing` children of a cell from running the host's main program.

    A spawned child runs its parent's ``__main__``, which is nothing in a notebook but may be the
    whole application in a host.
    """

    def __init__(self, in_a_cell: Callable[[], bool]) -> None:
        self._in_a_cell = in_a_cell
        self._spawn: Any = None
        self._original: Callable[[str], dict[str, Any]]

    def install(self) -> None:
        """Patch multiprocessing at the first cell: its import takes a third of a kernel's start."""
        if self._spawn is None:
            known = _ALIAS in sys.modules
            self._spawn = importlib.import_module("multiprocessing.spawn")
            if not known:
                sys.modules.pop(_ALIAS, None)
            self._original = self._spawn.get_preparation_data
            self._spawn.get_preparation_data = self._prepare

    def _prepare(self, name: str) -> dict[str, Any]:
        data = self._original(name)
        if self._in_a_cell():
            data = {key: data[key] for key in data if not key.startswith("init_main_")}
        return data

    @contextmanager
    def started_by(self, executable: str) -> Iterator[None]:
        """While inside, start children with ``executable``."""
        before = self._spawn.get_executable()
        self._spawn.set_executable(executable)
        try:
            yield
        finally:
            self._spawn.set_executable(before)

    def remove(self) -> None:
        """Undo the patch, unless other code has replaced it."""
        if self._spawn is not None and self._spawn.get_preparation_data == self._prepare:
            self._spawn.get_preparation_data = self._original


@magics_class
class PipMagics(Magics):
    """IPython's ``%pip``, for the Python that the host really has."""

    shell: HostShell

    @line_magic
    def pip(self, line: str) -> None:
        """Run pip for the host's Python; what it installs goes into a folder of hostkernel's.

        Usage::

            %pip install [package ...]
        """
        interpreter, arguments = self.shell.interpreter, shlex.split(line)
        with interpreter.pip_environment(arguments):
            self.shell.system(f"{shlex.join(interpreter.pip(arguments))} {line}")
        interpreter.add_packages()
