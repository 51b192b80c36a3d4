"""The address, key and connection file of a kernel, and who owns the file."""

from __future__ import annotations

import os
import shutil
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel import processes
from hostkernel.connection import (
    ConnectionInfo,
    HostFacts,
    check_place,
    connection_file_name,
    kernel_id_of,
)
from hostkernel.errors import ConnectionFileError
from hostkernel.private import folder_for_sockets, why_not_ours
from hostkernel.registry import owner_is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.config.models import ConnectionSettings

__all__ = ["Endpoint"]


class Endpoint:
    """The connection file of one kernel.

    Args:
        file: the path of the file, which need not exist yet.
        info: address and key; ports may be 0, "any free one".
        launcher: what a launcher had written to the file, put back at the end.
        sockets: the folder made for the sockets, removed at the end.
    """

    def __init__(
        self,
        file: Path,
        info: ConnectionInfo,
        *,
        launcher: ConnectionInfo | None = None,
        sockets: Path | None = None,
    ) -> None:
        self.file = file
        self.info = info
        self._launcher = launcher
        self._sockets = sockets
        self._pid = os.getpid()

    @classmethod
    def fresh(cls, directory: Path, kernel_id: str, settings: ConnectionSettings) -> Endpoint:
        """Make an endpoint with a new key and file, in Jupyter's runtime directory.

        Raises:
            ConnectionFileError: another user has put, or could put, a file in its place.
            StartError: there is no private place for the sockets.
        """
        # Absolute: the program may change its working directory.
        return cls._ours(directory.absolute() / connection_file_name(kernel_id), settings)

    @classmethod
    def _ours(cls, file: Path, settings: ConnectionSettings) -> Endpoint:
        check_place(file)
        info = ConnectionInfo.fresh(settings.ip, encrypted=settings.encryption == "required")
        if settings.transport == "tcp":
            return cls(file, info)
        folder = folder_for_sockets()
        ports = {f"{channel}_port": number for number, channel in enumerate(info.ports, 1)}
        changes = {"transport": "ipc", "ip": str(folder / "s"), **ports}
        return cls(file, info.model_copy(update=changes), sockets=folder)

    @classmethod
    def given(cls, file: Path, settings: ConnectionSettings) -> Endpoint:
        """Make an endpoint from a launcher's file.

        The ports and the key are those of the file, unless a dead kernel left it.

        Raises:
            ConnectionFileError: the file is unreadable or in use by a running kernel, its address
                or encryption is forbidden by the settings, or as in :meth:`fresh`.
            StartError: there is no private place for the sockets.
        """
        if not file.exists():
            return cls._ours(file, settings)
        check_place(file)
        info = ConnectionInfo.read(file)
        if info.hostkernel is not None:
            if not owner_is_gone(info):
                owner = f"{info.hostkernel.host}, pid {info.hostkernel.pid}"
                raise ConnectionFileError(file, f"a kernel is using it ({owner})")
            return cls._ours(file, settings)
        for reason, key in _objections(info, settings):
            raise ConnectionFileError(file, reason, key)
        return cls(file, info, launcher=info)

    @property
    def kernel_id(self) -> str:
        """The kernel id in the file's name."""
        return kernel_id_of(self.file)

    def publish(self, info: ConnectionInfo, *, host: str, title: str | None) -> None:
        """Write the file, now that the kernel answers on the ports of ``info``."""
        facts = HostFacts(
            host=host,
            pid=self._pid,
            started=processes.start_time(self._pid) or 0.0,
            machine=processes.machine(),
            kernel_id=self.kernel_id,
            title=title,
            owned=self._launcher is None,
        )
        # Jupyter servers do not list external kernels without a name.
        name = info.kernel_name or f"hostkernel-{host}"
        self.info = info.model_copy(update={"hostkernel": facts, "kernel_name": name})
        self.info.write(self.file)

    def retitle(self, title: str | None) -> None:
        """Write ``title`` to the file if it has changed; do nothing in a forked child.

        Raises:
            ConnectionFileError: the file's folder is no longer safe to write to.
        """
        facts = self.info.hostkernel
        if facts is None or facts.title == title or os.getpid() != self._pid:
            return
        if not self._is_still_ours():
            return
        status = self.file.stat()
        changed = {"hostkernel": facts.model_copy(update={"title": title})}
        self.info = self.info.model_copy(update=changed)
        self.info.write(self.file)
        # Keep the times: kernels are listed by the age of their files.
        os.utime(self.file, ns=(status.st_atime_ns, status.st_mtime_ns))

    def withdraw(self) -> None:
        """Remove the file, or restore a launcher's; do nothing in a forked child."""
        if self.info.hostkernel is None:
            return  # never published
        if os.getpid() != self._pid or not self._is_still_ours():
            return
        if self._launcher is None:
            self.file.unlink(missing_ok=True)
        else:
            self._launcher.write(self.file)

    def close(self) -> None:
        """Remove the folder of the sockets; do nothing in a forked child."""
        if self._sockets is not None and os.getpid() == self._pid:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _is_still_ours(self) -> bool:
        try:
            found = ConnectionInfo.read(self.file)
        except ConnectionFileError:
            return False
        return found.key == self.info.key


def _objections(info: ConnectionInfo, settings: ConnectionSettings) -> Iterator[tuple[str, str]]:
    """Yield why the settings forbid a launcher's file, each with the field at fault."""
    encrypted = info.curve_secretkey is not None
    if not encrypted and settings.encryption == "required":
        yield "there are no CURVE keys, and connection.encryption is required", "curve_publickey"
    if encrypted and settings.encryption == "off":
        yield "it asks for encryption: set connection.encryption to auto", "curve_publickey"
    if info.transport == "ipc":
        if (reason := _why_not_ours(Path(info.ip).parent)) is not None:
            yield reason, "ip"
        return
    if settings.transport == "ipc":
        yield "it asks for tcp, and connection.transport is ipc", "transport"
    if _is_loopback(info.ip):
        return
    if not settings.allow_remote:
        yield f"{info.ip} can be reached from other machines; set connection.allow_remote", "ip"
    if not encrypted:
        yield f"{info.ip} can be reached from other machines, and there are no CURVE keys", "ip"


def _why_not_ours(folder: Path) -> str | None:
    try:
        return why_not_ours(folder)
    except OSError as error:
        return f"{folder}: {error.strerror or error}"


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
