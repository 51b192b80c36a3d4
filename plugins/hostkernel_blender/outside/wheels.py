"""Outside: wheels of hostkernel and all that it requires, for a Blender on any platform.

pip can fetch for another platform, but it evaluates the markers of requirements for the Python
that it runs in. So this module evaluates them, to find the wheels that a platform needs.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostkernel.errors import HostkernelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["PLATFORMS", "BuildError", "Target", "gather", "here", "own_wheel"]

_OWN = "hostkernel"
_OF_INSTALLERS = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}


class BuildError(HostkernelError):
    """The add-on cannot be built or installed."""


@dataclass(frozen=True)
class _Platform:
    """One of Blender's platforms, as pip and environment markers name it."""

    tags: tuple[str, ...]
    pattern: str
    markers: Mapping[str, str]


def _platform(
    tags: tuple[str, ...], pattern: str, system: str, os_name: str, sys_platform: str, machine: str
) -> _Platform:
    markers = {
        "platform_system": system,
        "os_name": os_name,
        "sys_platform": sys_platform,
        "platform_machine": machine,
    }
    return _Platform(tags, pattern, markers)


_LINUX = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PLATFORMS = {
    "linux-x64": _platform(_LINUX, r"manylinux.*_x86_64", "Linux", "posix", "linux", "x86_64"),
    "macos-arm64": _platform(
        ("macosx_11_0_arm64",), r"macosx.*_(arm64|universal2)", "Darwin", "posix", "darwin", "arm64"
    ),
    "macos-x64": _platform(
        ("macosx_11_0_x86_64",),
        r"macosx.*_(x86_64|universal2|intel)",
        "Darwin",
        "posix",
        "darwin",
        "x86_64",
    ),
    "windows-x64": _platform(("win_amd64",), "win_amd64", "Windows", "nt", "win32", "AMD64"),
    "windows-arm64": _platform(("win_arm64",), "win_arm64", "Windows", "nt", "win32", "ARM64"),
}
"""Blender's platforms, by the names that its extensions use."""


def here() -> str:
    """The platform of this machine.

    Raises:
        BuildError: there is no Blender for it.
    """
    from packaging.markers import default_environment

    mine = default_environment().items()
    for name, platform in PLATFORMS.items():
        if platform.markers.items() <= mine:
            return name
    message = f"there is no Blender for this platform; name one: {', '.join(PLATFORMS)}"
    raise BuildError(message)


@dataclass(frozen=True)
class Target:
    """A Blender to build for.

    Attributes:
        platform: a key of :data:`PLATFORMS`.
        python: the minor version of its Python, such as ``"3.11"``.
    """

    platform: str
    python: str

    @property
    def minor(self) -> int:
        """The number of the minor version: 11 for Python 3.11."""
        return int(self.python.partition(".")[2])

    def markers(self) -> dict[str, str]:
        """The environment that markers are evaluated in."""
        own = {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        return {**PLATFORMS[self.platform].markers, **own, "extra": ""}

    def takes(self, tags: Iterable[Any]) -> bool:
        """Whether a wheel with one of these tags runs in this Blender."""
        return any(self._has_python(tag) and self._has_platform(tag) for tag in tags)

    def _has_platform(self, tag: Any) -> bool:
        pattern = PLATFORMS[self.platform].pattern
        return tag.platform == "any" or bool(re.fullmatch(pattern, tag.platform))

    def _has_python(self, tag: Any) -> bool:
        if tag.interpreter == "py3":
            return True
        match = re.fullmatch(r"cp3(\d+)", tag.interpreter)
        if not match:
            return False
        minor = int(match[1])
        return minor <= self.minor if tag.abi == "abi3" else minor == self.minor


def gather(target: Target, folder: Path) -> list[Path]:
    """Return the wheels of all that hostkernel requires there; fetch what ``folder`` lacks.

    Raises:
        BuildError: pip could not fetch a wheel, or there is none for the target.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    while True:
        before = missing
        found, missing = _resolve(target, folder)
        if not missing:
            return sorted(found)
        if missing == before:
            message = f"there is no wheel for {target.platform} of {', '.join(missing)}"
            raise BuildError(message)
        _fetch(target, folder, missing)


def _resolve(target: Target, folder: Path) -> tuple[list[Path], list[str]]:
    """Return the required wheels in ``folder``, and the requirements that no wheel there meets."""
    wheels = _Wheels(target, folder)
    open_ = [*_requirements(metadata.requires(_OWN) or (), target)]
    found: dict[str, Path] = {}
    missing: list[str] = []
    while open_:
        requirement = open_.pop()
        wheel = wheels.best(requirement)
        if wheel is None:
            missing.append(str(requirement))
        elif str(wheel) not in found:
            found[str(wheel)] = wheel
            open_ += _requirements(_requires(wheel), target)
    return list(found.values()), sorted(set(missing))


def _requirements(lines: Iterable[str], target: Target) -> Iterator[Any]:
    from packaging.requirements import Requirement

    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(target.markers()):
            requirement.marker = None
            yield requirement


def _requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    return Parser().parsestr(text, headersonly=True).get_all("Requires-Dist") or []


class _Wheels:
    """The wheels in a folder that fit the target."""

    def __init__(self, target: Target, folder: Path) -> None:
        from packaging.utils import parse_wheel_filename

        self._by_name: dict[str, list[tuple[Any, Path]]] = {}
        for file in folder.glob("*.whl"):
            name, version, _, tags = parse_wheel_filename(file.name)
            if target.takes(tags):
                self._by_name.setdefault(name, []).append((version, file))

    def best(self, requirement: Any) -> Path | None:
        from packaging.utils import canonicalize_name

        wheels = self._by_name.get(canonicalize_name(requirement.name), [])
        fitting = [wheel for wheel in wheels if requirement.specifier.contains(wheel[0])]
        return max(fitting, default=(None, None))[1]


def _fetch(target: Target, folder: Path, requirements: list[str]) -> None:
    """Have pip download wheels into ``folder``; its output goes to stderr."""
    platforms = (f"--platform={tag}" for tag in PLATFORMS[target.platform].tags)
    options = ["--only-binary=:all:", f"--python-version={target.python}", "--implementation=cp"]
    command = [sys.executable, "-m", "pip", "download", *options, *platforms]
    result = subprocess.run(
        [*command, "--dest", folder, *requirements], stdout=sys.stderr, check=False
    )
    if result.returncode:
        message = (
            f"pip could not fetch the wheels for {target.platform}, Python {target.python}; it "
            f"says why above.\nWithout a network, fill {folder} on a machine that has one: what "
            "is there is not fetched again."
        )
        raise BuildError(message)


# hostkernel itself


def own_wheel(folder: Path) -> Path:
    """Write a wheel of the hostkernel that runs here, editable or not, into ``folder``."""
    distribution = metadata.distribution(_OWN)
    stem = f"{_OWN}-{distribution.version}"
    file = folder / f"{stem}-py3-none-any.whl"
    content = dict(_code(distribution))
    info = f"{stem}.dist-info"
    for part in distribution.files or ():
        if part.parts[0] == info and part.name not in _OF_INSTALLERS:
            content[part.as_posix()] = part.read_binary()
    content[f"{info}/RECORD"] = _record(content, f"{info}/RECORD")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file


def _code(distribution: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    # An editable installation does not list its code; only entry points name its packages.
    values = {entry.value for entry in distribution.entry_points}
    packages = {re.split(r"[.:]", value)[0] for value in values}
    for package in sorted(packages):
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            root = Path(place)
            for file in sorted(root.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield f"{package}/{file.relative_to(root).as_posix()}", file.read_bytes()


def _record(content: Mapping[str, bytes], itself: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((name, f"sha256={digest}", len(data)))
    writer.writerow((itself, "", ""))
    return text.getvalue().encode()
