"""Shared libraries of the system that a Python module needs and that are not installed.

A wheel brings its own libraries, and takes those of a desktop for granted: a server or a container
has no ``libX11.so.6``. The dynamic linker names one missing library per try; ``ldd`` names all.
Linux only: elsewhere wheels bring everything.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["install_advice", "missing_libraries", "missing_of"]

_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_UNLOADABLE = re.compile(r"^(lib\S+\.so\S*): cannot open shared object file")
_SECONDS = 30.0

# Which package brings a library: on Debian and Ubuntu, on Fedora, on Arch.
_PACKAGES = {
    "libEGL.so.1": ("libegl1", "libglvnd-egl", "libglvnd"),
    "libGL.so.1": ("libgl1", "libglvnd-glx", "libglvnd"),
    "libICE.so.6": ("libice6", "libICE", "libice"),
    "libOpenGL.so.0": ("libopengl0", "libglvnd-opengl", "libglvnd"),
    "libSM.so.6": ("libsm6", "libSM", "libsm"),
    "libX11-xcb.so.1": ("libx11-xcb1", "libX11-xcb", "libx11"),
    "libX11.so.6": ("libx11-6", "libX11", "libx11"),
    "libXext.so.6": ("libxext6", "libXext", "libxext"),
    "libXfixes.so.3": ("libxfixes3", "libXfixes", "libxfixes"),
    "libXi.so.6": ("libxi6", "libXi", "libxi"),
    "libXrender.so.1": ("libxrender1", "libXrender", "libxrender"),
    "libXxf86vm.so.1": ("libxxf86vm1", "libXxf86vm", "libxxf86vm"),
    "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs", "dbus"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig", "fontconfig"),
    "libfreetype.so.6": ("libfreetype6", "freetype", "freetype2"),
    "libglib-2.0.so.0": ("libglib2.0-0", "glib2", "glib2"),
    "libgomp.so.1": ("libgomp1", "libgomp", "gcc-libs"),
    "libgssapi_krb5.so.2": ("libgssapi-krb5-2", "krb5-libs", "krb5"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2", "glib2"),
    "libwayland-client.so.0": ("libwayland-client0", "libwayland-client", "wayland"),
    "libwayland-cursor.so.0": ("libwayland-cursor0", "libwayland-cursor", "wayland"),
    "libwayland-egl.so.1": ("libwayland-egl1", "libwayland-egl", "wayland"),
    "libxcb-cursor.so.0": ("libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor"),
    "libxcb-glx.so.0": ("libxcb-glx0", "libxcb", "libxcb"),
    "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm", "xcb-util-wm"),
    "libxcb-image.so.0": ("libxcb-image0", "xcb-util-image", "xcb-util-image"),
    "libxcb-keysyms.so.1": ("libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms"),
    "libxcb-randr.so.0": ("libxcb-randr0", "libxcb", "libxcb"),
    "libxcb-render-util.so.0": (
        "libxcb-render-util0",
        "xcb-util-renderutil",
        "xcb-util-renderutil",
    ),
    "libxcb-render.so.0": ("libxcb-render0", "libxcb", "libxcb"),
    "libxcb-shape.so.0": ("libxcb-shape0", "libxcb", "libxcb"),
    "libxcb-shm.so.0": ("libxcb-shm0", "libxcb", "libxcb"),
    "libxcb-sync.so.1": ("libxcb-sync1", "libxcb", "libxcb"),
    "libxcb-util.so.1": ("libxcb-util1", "xcb-util", "xcb-util"),
    "libxcb-xfixes.so.0": ("libxcb-xfixes0", "libxcb", "libxcb"),
    "libxcb-xinerama.so.0": ("libxcb-xinerama0", "libxcb", "libxcb"),
    "libxcb-xinput.so.0": ("libxcb-xinput0", "libxcb", "libxcb"),
    "libxcb-xkb.so.1": ("libxcb-xkb1", "libxcb", "libxcb"),
    "libxcb.so.1": ("libxcb1", "libxcb", "libxcb"),
    "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
    "libxkbcommon.so.0": ("libxkbcommon0", "libxkbcommon", "libxkbcommon"),
}
_MANAGERS = (
    ("Debian, Ubuntu", "apt-get install"),
    ("Fedora", "dnf install"),
    ("Arch", "pacman -S"),
)


def missing_libraries(files: Iterable[Path]) -> tuple[str, ...]:
    """Which shared libraries ``files`` need that the dynamic linker does not find.

    Args:
        files: shared libraries, such as extension modules. They are not loaded.

    Returns:
        Names such as ``"libX11.so.6"``, sorted; none where there is no ``ldd``.
    """
    paths = [str(file) for file in files]
    if not paths or sys.platform != "linux":
        return ()
    try:
        done = subprocess.run(
            ["ldd", *paths], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(sorted(set(_NOT_FOUND.findall(done.stdout))))


def missing_of(error: BaseException) -> tuple[str, ...]:
    """Which shared libraries were missing when a module could not be imported; none if none was.

    Args:
        error: what the import raised.
    """
    found = _UNLOADABLE.match(str(error)) if isinstance(error, ImportError) else None
    if found is None:
        return ()
    path = getattr(error, "path", None)
    others = missing_libraries([Path(path)]) if path else ()
    return tuple(sorted({found[1], *others}))


def install_advice(libraries: Iterable[str]) -> str:
    """How to install ``libraries`` on Debian, Fedora and Arch, one line each.

    Args:
        libraries: names such as ``"libX11.so.6"``.
    """
    known = [_PACKAGES[name] for name in libraries if name in _PACKAGES]
    unknown = [name for name in libraries if name not in _PACKAGES]
    lines = [
        f"{system}: {command} {' '.join(sorted({each[number] for each in known}))}"
        for number, (system, command) in enumerate(_MANAGERS)
        if known
    ]
    if unknown:
        lines.append(f"and what brings {', '.join(unknown)} on your system")
    return "\n".join(lines)
