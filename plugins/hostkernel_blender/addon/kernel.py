"""Start and stop the kernel for the panel; on Blender's main thread."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel import HostKernelManager

__all__ = [
    "RefusedError",
    "current",
    "error",
    "restart",
    "serve",
    "settings_file",
    "start",
    "stop",
    "stop_own",
]

_FOLDER = Path(__file__).parent
_OFFLINE = (
    "online access is off, and a kernel opens sockets on this machine: allow it in "
    "Preferences > System > Network"
)


_BACKGROUND = "there is no window: let the script call this add-on's serve() instead"


class RefusedError(Exception):
    """The add-on does not start a kernel here, for a reason that needs no traceback."""


class _State:
    error = ""
    own: HostKernelManager | None = None


def error() -> str:
    """Why the last button did not do what it says; empty if it did."""
    return _State.error


def current() -> HostKernelManager | None:
    """The kernel of this Blender, whoever started it."""
    # Importing it takes a second, and a panel is drawn all the time.
    hostkernel = sys.modules.get("hostkernel")
    found: HostKernelManager | None = hostkernel.current() if hostkernel else None
    return found


def start() -> bool:
    """Start the kernel in Blender's window. False: see error()."""
    with _reported():
        if bpy.app.background:
            # Not in an operator: disabling the add-on in a cell would pull it from under it.
            raise RefusedError(_BACKGROUND)
        _State.own = _furnished("start")
    return not _State.error


def serve() -> None:
    """Run the kernel here until it is stopped.

    Raises:
        RefusedError: the add-on refuses.
        The errors of hostkernel.serve.
    """
    _furnished("serve")


def _furnished(action: str) -> Any:
    if not getattr(bpy.app, "online_access", True):
        raise RefusedError(_OFFLINE)
    with _own_packages_in_front():
        import hostkernel

        _check_versions()
        return getattr(hostkernel, action)("blender")


def stop() -> bool:
    """Stop the kernel, whoever started it."""
    with _reported():
        import hostkernel

        hostkernel.stop()
    return not _State.error


def restart() -> bool:
    """Give the cells a fresh namespace; clients stay connected."""
    with _reported():
        import hostkernel

        hostkernel.restart()
    return not _State.error


def stop_own() -> None:
    """Stop the kernel if it was started here."""
    own, _State.own = _State.own, None
    if bpy.app.background:
        own = current()
    if own is not None and own.is_running:
        own.stop()


def settings_file() -> Path:
    """The user's settings file, which need not exist."""
    with _own_packages_in_front():
        import platformdirs
    return platformdirs.user_config_path("hostkernel", appauthor=False) / "hostkernel.toml"


@contextmanager
def _reported() -> Iterator[None]:
    """Keep what goes wrong for the panel."""
    _State.error = ""
    try:
        yield
    except Exception as problem:
        _State.error = str(problem) or type(problem).__name__
        if not _is_plain(problem):
            _State.error = f"{type(problem).__name__}: {problem}"
            traceback.print_exc()


def _is_plain(problem: Exception) -> bool:
    errors = sys.modules.get("hostkernel.errors")
    plain = (RefusedError, errors.HostkernelError) if errors else RefusedError
    return isinstance(problem, plain)


# What the add-on brought


@contextmanager
def _own_packages_in_front() -> Iterator[None]:
    """Let no older copy of Blender's or another add-on's shadow what the kernel needs."""
    before = list(sys.path)
    own = str(_site())
    sys.path[:] = [own, *(entry for entry in before if entry != own)]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = [*(entry for entry in sys.path if entry != own), own]


def _site() -> Path:
    brought = _FOLDER / "site-packages"
    if brought.is_dir():
        return brought
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Blender unpacks the wheels of all extensions there.
    extensions = bpy.utils.user_resource("EXTENSIONS", path=".local")
    return Path(extensions, "lib", minor, "site-packages")


def _check_versions() -> None:
    import hostkernel

    # An update of the add-on leaves the code that is loaded as it is.
    vars(hostkernel).setdefault("__version__", importlib.metadata.version("hostkernel"))
    brought = json.loads((_FOLDER / "brought.json").read_text(encoding="utf-8"))["versions"]
    wrong = [line for name, version in brought.items() for line in _differs(name, version)]
    if wrong:
        raise RefusedError("; ".join(wrong) + ". Restart Blender")


def _differs(name: str, brought: str) -> Iterator[str]:
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # of another platform
    if distribution.version != brought:
        yield f"{name} {distribution.version} is found, not {brought}"
    packages = {file.parts[0] for file in distribution.files or () if file.suffix == ".py"}
    for module in (sys.modules.get(package) for package in sorted(packages)):
        loaded = getattr(module, "__version__", None)
        if isinstance(loaded, str) and loaded != brought:
            where = getattr(module, "__file__", None)
            yield f"{name} {loaded} is loaded from {where}, not {brought}"
