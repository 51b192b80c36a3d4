"""Ports, folders and files."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, RequestError
from hostkernel.host import Finding
from hostkernel.launch.control import ask
from hostkernel.private import others_may_write, stranger
from hostkernel.registry import kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.config.models import ConnectionSettings
    from hostkernel.host import HostPaths

__all__ = ["address", "kernels_and_files", "others", "ports", "runtime"]

_SECONDS = 2.0
_OLD = 3600.0  # seconds after which no start can still be under way
_START = "hostkernel-start-*"  # the folder of one start


def address(settings: ConnectionSettings) -> str:
    """Where a kernel would listen."""
    return "ipc" if settings.transport == "ipc" else settings.ip


def ports(settings: ConnectionSettings) -> Iterator[Finding]:
    """Check that a kernel could listen at the address, and be reached."""
    if settings.encryption != "off" and not _has_curve():
        yield Finding(
            "ZeroMQ is built without CURVE, which connection.encryption needs",
            "hostkernel run --set connection.encryption=off, on a machine of your own",
            prevents=settings.encryption == "required",
        )
    try:
        _reach_by_socket_file() if settings.transport == "ipc" else _reach_by_port(settings.ip)
    except OSError as error:
        where = address(settings)
        problem = f"a kernel could not be reached on {where}: {error.strerror or error}"
        fix = "hostkernel run --set connection.ip=127.0.0.1 --set connection.transport=tcp"
        if where == "127.0.0.1":
            fix = "ip link set lo up, or hostkernel run --set connection.transport=ipc"
        yield Finding(problem, fix, prevents=True)


def _has_curve() -> bool:
    import zmq

    return bool(zmq.has("curve"))


def _reach_by_port(ip: str) -> None:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.create_server((ip, 0), family=family) as server:
        place = server.getsockname()[:2]
        any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        with socket.create_connection((any_address.get(ip, ip), place[1]), _SECONDS):
            return


def _reach_by_socket_file() -> None:
    parent = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    with (
        tempfile.TemporaryDirectory(prefix="hostkernel-", dir=parent) as folder,
        socket.socket(socket.AF_UNIX) as server,
    ):
        server.bind(str(Path(folder, "s-1")))


def runtime(folder: Path) -> Iterator[Finding]:
    """Check that a connection file can be written to the folder, safe from other users."""
    trial = folder / f"hostkernel-doctor-{uuid.uuid4()}.json"
    try:
        ConnectionInfo.fresh().write(trial)
    except ConnectionFileError as error:
        problem = f"no connection file can be written to {folder}: {error.reason}"
        yield Finding(problem, _fix(folder), prevents=True)
        return
    trial.unlink()
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        problem = f"other users can look into {folder}"
        yield Finding(problem, f"chmod 700 {shlex.quote(str(folder))}")


def _fix(folder: Path) -> str:
    place = shlex.quote(str(folder))
    if not folder.is_dir():
        return "export JUPYTER_RUNTIME_DIR=FOLDER, one that you can write to"
    if stranger(folder.stat()) is not None:
        return f"sudo chown -R $USER {place}"
    if others_may_write(folder.stat()):
        return f"chmod 700 {place}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"chmod u+rwx {place}"
    return "export JUPYTER_RUNTIME_DIR=FOLDER, one on a local disk"


def others(paths: HostPaths) -> Iterator[Finding]:
    """Check that logs and cached files can be written."""
    variables = {"log": "XDG_STATE_HOME", "cache": "XDG_CACHE_HOME"}
    for name, variable in variables.items():
        there = folder = getattr(paths, name)
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            problem = f"the {name} folder {folder} cannot be written to: see {there}"
            fix = f"chmod u+rwx {shlex.quote(str(there))}"
            if not there.is_dir():
                fix = f"rm {shlex.quote(str(there))}, or set {variable}"
            yield Finding(problem, fix)


def kernels_and_files(folder: Path) -> Iterator[Finding]:
    """Find files that were left behind, and running kernels that do not answer."""
    for file in sorted(folder.glob("kernel-*.json")):
        try:
            ConnectionInfo.read(file)
        except ConnectionFileError as error:
            yield Finding(str(error), f"rm {shlex.quote(str(file))}")
    for kernel in kernels(folder).kernels:
        if kernel.state == "stale":
            problem = f"{kernel.file} tells of a host that is gone (pid {kernel.facts.pid})"
            yield Finding(problem, f"rm {shlex.quote(str(kernel.file))}")
        elif kernel.state == "running":
            try:
                ask(kernel.info, "status", timeout=_SECONDS)
            except RequestError:
                problem = f"{kernel} does not answer: it is stopped, or hangs"
                yield Finding(problem, f"kill {kernel.facts.pid}")
    for left in sorted(folder.glob(_START)):
        if time.time() - left.stat().st_mtime > _OLD:
            problem = f"{left} was left behind by a start that was cut off"
            yield Finding(problem, f"rm -r {shlex.quote(str(left))}")
