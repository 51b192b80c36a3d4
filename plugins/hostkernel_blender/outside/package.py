"""Outside: the add-on as a zip that Blender installs."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from .wheels import Target, gather, own_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["CLASSIC_MODULE", "build_classic", "build_extension"]

CLASSIC_MODULE = "hostkernel_addon"
_ADDON = Path(__file__).parents[1] / "addon"
# The Blenders with each Python: from the first version on, up to but without the second.
_BLENDERS = {"3.11": ("4.2.0", "5.1.0"), "3.13": ("5.1.0", None)}


def build_extension(platforms: Sequence[str], python: str, wheels: Path, output: Path) -> Path:
    """Build an extension for Blender 4.2 and newer; return its zip.

    Args:
        platforms: keys of :data:`hostkernel_blender.outside.wheels.PLATFORMS`.
        python: the minor version of Blender's Python.
        wheels: the folder that keeps wheels; missing ones are fetched.
        output: the folder for the zip.

    Raises:
        BuildError: a wheel cannot be obtained.
    """
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as name:
        own = own_wheel(Path(name))
        needed = {
            file for platform in platforms for file in gather(Target(platform, python), wheels)
        }
        files = sorted((own, *needed), key=lambda file: file.name)
        content: dict[str, bytes] = {
            "blender_manifest.toml": _manifest(platforms, python, files),
            **_code(python, files),
            **{f"wheels/{file.name}": file.read_bytes() for file in files},
        }
        stem = "-".join((f"hostkernel-{_version()}", *(platforms if len(platforms) == 1 else ())))
        return _zip(output / f"{stem}.zip", content)


def build_classic(platform: str, python: str, wheels: Path, output: Path) -> Path:
    """Build an add-on for Blenders before 4.2 with Python 3.11, on one platform; return its zip.

    Arguments and errors are those of :func:`build_extension`.
    """
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as name:
        files = [own_wheel(Path(name)), *gather(Target(platform, python), wheels)]
        content = {f"{CLASSIC_MODULE}/{path}": data for path, data in _code(python, files).items()}
        for file in files:
            content.update(_unpacked(file))
        return _zip(output / f"hostkernel-{_version()}-classic-{platform}.zip", content)


def _unpacked(wheel: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {
            f"{CLASSIC_MODULE}/site-packages/{_home(name)}": archive.read(name) for name in names
        }


def _home(name: str) -> str:
    # Files that a wheel keeps apart for installers, such as platlib, go beside the others.
    parts = name.split("/")
    return "/".join(parts[2:]) if parts[0].endswith(".data") and "lib" in parts[1] else name


def _code(python: str, wheels: Iterable[Path]) -> dict[str, bytes]:
    from packaging.utils import parse_wheel_filename

    parsed = [parse_wheel_filename(file.name) for file in wheels]
    brought = {"python": python, "versions": {name: str(version) for name, version, *_ in parsed}}
    code = {file.name: file.read_bytes() for file in sorted(_ADDON.glob("*.py"))}
    return {**code, "brought.json": json.dumps(brought, indent=2).encode()}


def _version() -> str:
    from packaging.version import Version

    return ".".join(map(str, (*Version(metadata.version("hostkernel")).release, 0, 0)[:3]))


def _manifest(platforms: Sequence[str], python: str, wheels: Iterable[Path]) -> bytes:
    import tomli_w

    first, end = _BLENDERS[python]
    manifest: dict[str, object] = {
        "schema_version": "1.0.0",
        "id": "hostkernel",
        "version": _version(),
        "name": "hostkernel",
        "tagline": "A Jupyter kernel in the Blender that is open",
        "maintainer": "hostkernel contributors",
        "type": "add-on",
        "tags": ["Development"],
        "blender_version_min": first,
        "license": ["SPDX:BSD-3-Clause"],
        "platforms": list(platforms),
        "wheels": [f"./wheels/{file.name}" for file in wheels],
        "permissions": {"network": "Notebooks on this machine connect to the kernel"},
    }
    if end is not None:
        manifest["blender_version_max"] = end
    return tomli_w.dumps(manifest).encode()


def _zip(file: Path, content: Mapping[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hostkernel-") as folder:
        unfinished = Path(folder, file.name)
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                stored = zipfile.ZIP_STORED if name.endswith(".whl") else None
                archive.writestr(name, data, stored)
        shutil.move(unfinished, file)
    return file
