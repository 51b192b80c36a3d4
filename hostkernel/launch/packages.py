"""Outside: the packages for a host whose Python has another minor version than ours.

They are built once, in the cache: hostkernel and the loaded plugins are copied from this
environment, and their requirements are installed for that Python. Nothing is written into the
host's own folders.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.errors import HostkernelError, LaunchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostkernel.host import Host
    from hostkernel.plugins import PluginInfo

__all__ = ["interpreter_for", "known_python", "packages_for", "remember_python"]

_OWN = "hostkernel"
_TAIL = 20
_ABANDONED = 3600.0  # seconds after which an unfinished folder counts as abandoned
# Where installers and version managers put Pythons, in addition to PATH.
_PLACES = (
    "/usr/bin/python{python}",
    "/usr/local/bin/python{python}",
    "/opt/homebrew/bin/python{python}",
    "~/.pyenv/versions/{python}.*/bin/python",
    "~/.local/share/uv/python/cpython-{python}.*/bin/python{python}",
    "~/AppData/Local/Programs/Python/Python{digits}/python.exe",
)
_TRY = "import sys; sys.path[:0] = sys.argv[1:]; import hostkernel.kernel.manager"


def packages_for(
    host: Host,
    python: str,
    plugins: Sequence[PluginInfo],
    cache: Path,
    tell: Callable[[str], None],
) -> tuple[str, ...]:
    """Return directories with all that the inside imports; build what is missing.

    Args:
        host: the adapter.
        python: the minor version inside, such as ``"3.11"``.
        plugins: the plugins of this environment.
        cache: the folder that keeps what was built.
        tell: called with messages on the progress if something has to be fetched.

    Raises:
        LaunchError: there is no such Python here, or the packages cannot be obtained.
    """
    distributions = list(_distributions(plugins))
    builder = _Builder(host, python, cache / f"python{python}", tell)
    try:
        code = builder.code([file for each in distributions for file in _files(each)])
        return str(code), str(builder.packages(list(_requirements(distributions)), code))
    except OSError as error:
        reason = f"{cache} cannot be written: {error.strerror or error}"
        raise LaunchError(host.name, reason) from error


def known_python(program: str, cache: Path) -> str | None:
    """The minor version of the Python in the host that ``program`` starts, as last seen."""
    try:
        return str(json.loads((cache / "pythons.json").read_text())[_identity(program)])
    except (OSError, ValueError, KeyError):
        return None


def remember_python(program: str, cache: Path, python: str) -> None:
    """Remember ``python`` until ``program`` changes, to avoid a first start that must fail."""
    file = cache / "pythons.json"
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        known = {}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**known, _identity(program): python}, indent=2))


def _identity(program: str) -> str:
    path = Path(shutil.which(program) or program).resolve()
    return f"{path} {path.stat().st_mtime_ns}"


def _distributions(plugins: Sequence[PluginInfo]) -> Iterator[metadata.Distribution]:
    names = {_OWN}
    for plugin in plugins:
        if plugin.distribution and not plugin.problem and not plugin.disabled:
            names.add(plugin.distribution)
    yield from map(metadata.distribution, sorted(names))


def _requirements(distributions: Sequence[metadata.Distribution]) -> Iterator[str]:
    ours = {_plain(each.name) for each in distributions}
    for line in sorted({line for each in distributions for line in each.requires or ()}):
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        is_extra = re.search(r";.*\bextra\s*==", line)
        if _plain(name) not in ours and not is_extra:
            yield line


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class _File:
    """A file to copy, and its target in a folder of packages."""

    source: Path
    target: str

    def __str__(self) -> str:
        state = self.source.stat()
        return f"{self.target} {self.source} {state.st_size} {state.st_mtime_ns}"


def _files(distribution: metadata.Distribution) -> Iterator[_File]:
    """The code and the metadata of an installed distribution, editable or not."""
    for package in _import_names(distribution):
        spec = importlib.util.find_spec(package)
        places = (spec and spec.submodule_search_locations) or ()
        for root in map(Path, places):
            for file in sorted(root.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield _File(file, f"{package}/{file.relative_to(root).as_posix()}")
        if spec and spec.origin and not places:
            yield _File(Path(spec.origin), Path(spec.origin).name)
    for listed in distribution.files or ():
        if listed.parent.suffix == ".dist-info" and listed.name in {"METADATA", "entry_points.txt"}:
            yield _File(Path(str(distribution.locate_file(listed))), listed.as_posix())


def _import_names(distribution: metadata.Distribution) -> list[str]:
    # An editable installation does not list its code, but entry points name its packages.
    files = distribution.files or ()
    listed = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}
    entered = {re.split(r"[.:]", entry.value)[0] for entry in distribution.entry_points}
    return sorted(name for name in listed | entered if name.isidentifier())


@dataclass(frozen=True)
class _Builder:
    """The builder of what is missing in ``folder``."""

    host: Host
    python: str
    folder: Path
    tell: Callable[[str], None]

    def code(self, files: Sequence[_File]) -> Path:
        """A folder with a copy of ``files`` as they are now."""
        target = self.folder / f"code-{_digest(map(str, files))}"
        if not target.is_dir():
            with self._whole(target) as unfinished:
                for file in files:
                    copy = unfinished / file.target
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file.source, copy)
        return target

    def packages(self, requirements: Sequence[str], code: Path) -> Path:
        """A folder with the requirements installed, tried out together with ``code``."""
        target = self.folder / f"packages-{_digest(requirements)}"
        if not target.is_dir():
            interpreter = self._interpreter()
            with self._whole(target) as unfinished:
                self._install(interpreter, unfinished, requirements)
                self._try(interpreter, unfinished, code)
        return target

    @contextmanager
    def _whole(self, target: Path) -> Iterator[Path]:
        """Yield a folder that becomes ``target`` only once it is finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._clear_away()
        # Named before it is made: a Ctrl-C in between leaves nothing, unlike with tempfile.
        part = self.folder / f".part-{secrets.token_hex(8)}"
        unfinished = part / "site-packages"
        try:
            part.mkdir(mode=0o700)
            unfinished.mkdir()
            yield unfinished
            if not target.is_dir():  # Another start may have been faster.
                unfinished.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _clear_away(self) -> None:
        """Remove what killed starts have left."""
        for part in self.folder.glob(".part-*"):
            with suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(part, ignore_errors=True)

    def _install(self, interpreter: str, target: Path, requirements: Sequence[str]) -> None:
        # Run by the target Python, so that environment markers are evaluated for that Python.
        if importlib.util.find_spec("pip"):
            pip = [sys.executable, "-m", "pip", "--python", interpreter]
        else:
            pip = [interpreter, "-m", "pip"]
        options = ["--only-binary=:all:", "--no-compile", "--no-input", f"--target={target}"]
        self._run(
            [*pip, "install", *options, *requirements],
            f"the packages for Python {self.python} could not be fetched",
            "Is there a network? What was fetched is kept: the next start goes on from there.",
        )

    def _try(self, interpreter: str, packages: Path, code: Path) -> None:
        self._run(
            [interpreter, "-I", "-c", _TRY, str(code), str(packages)],
            f"the packages for Python {self.python} do not work with {interpreter}",
            f"Remove {self.folder} to have them built again.",
        )

    def _run(self, command: Sequence[str], reason: str, hint: str) -> None:
        drop = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"}
        env = {name: value for name, value in os.environ.items() if name not in drop}
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        last: deque[str] = deque(maxlen=_TAIL)
        with process:
            try:
                for line in process.stdout or ():
                    last.append(line.rstrip())
                    if re.match(r"\s*(Collecting|Downloading|Installing)", line):
                        self.tell(f"preparing Python {self.python}: {line.strip()}")
            except KeyboardInterrupt:
                process.kill()
                raise
        if process.returncode:
            raise self._error(reason, hint, command, tuple(last))

    def _error(
        self, reason: str, hint: str, command: Sequence[str] = (), output: Sequence[str] = ()
    ) -> LaunchError:
        step = f"preparing packages for Python {self.python}"
        return LaunchError(self.host.name, reason, step, command, output=output, hint=hint)

    def _interpreter(self) -> str:
        if found := interpreter_for(self.host, self.python):
            return found
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        reason = (
            f"its Python is {self.python}, hostkernel is installed for {own}, and no Python "
            f"{self.python} was found to fetch packages with"
        )
        hint = f"Put a python{self.python} on PATH, or install hostkernel for it and run that one."
        raise self._error(reason, hint)


def interpreter_for(host: Host, python: str) -> str | None:
    """A Python of that version: the host's own, else one of this machine, None if there is none."""
    commands = _candidates(host, python)
    return next((each for each in commands if _version_of(each) == python), None)


def _candidates(host: Host, python: str) -> Iterator[str]:
    try:
        own = host.interpreter()
    except HostkernelError:
        own = ()
    if len(own) == 1:
        yield own[0]
    if on_path := shutil.which(f"python{python}"):
        yield on_path
    for place in _PLACES:
        filled = place.format(python=python, digits=python.replace(".", ""))
        pattern = Path(filled).expanduser()
        root = pattern.anchor
        yield from map(str, sorted(Path(root).glob(str(pattern.relative_to(root)))))


def _version_of(command: str) -> str | None:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.check_output(
            [command, "-I", "-c", ask], stderr=subprocess.DEVNULL, text=True
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _digest(lines: Iterator[str] | Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
