"""Which address, key and file a kernel gets, and whose file it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hostkernel import processes
from hostkernel.connection import ConnectionInfo, HostFacts, connection_file_name, kernel_id_of
from hostkernel.errors import ConnectionFileError
from hostkernel.registry import owner_is_gone

if TYPE_CHECKING:
    from pathlib import Path

    from hostkernel.config.models import ConnectionSettings

__all__ = ["Endpoint"]


class Endpoint:
    """The connection file of one kernel.

    Args:
        file: where it is, or shall be.
        info: address and key; ports may be 0, "any free one".
        launcher: what a launcher had written there, to be put back at the end.
    """

    def __init__(self, file: Path, info: ConnectionInfo, launcher: ConnectionInfo | None) -> None:
        self.file = file
        self.info = info
        self._launcher = launcher
        self._pid = os.getpid()

    @classmethod
    def fresh(cls, directory: Path, kernel_id: str, settings: ConnectionSettings) -> Endpoint:
        """Our own file, with a new key, in Jupyter's runtime directory."""
        return cls(directory / connection_file_name(kernel_id), _fresh_info(settings), None)

    @classmethod
    def given(cls, file: Path, settings: ConnectionSettings) -> Endpoint:
        """The file that a launcher named: its ports and key, unless they are a dead kernel's.

        Raises:
            ConnectionFileError: unreadable, in use by a kernel that runs, or without the
                encryption keys that the settings require.
        """
        if not file.exists():
            return cls(file, _fresh_info(settings), None)
        info = ConnectionInfo.read(file)
        if info.hostkernel is not None:
            if not owner_is_gone(info):
                owner = f"{info.hostkernel.host}, pid {info.hostkernel.pid}"
                raise ConnectionFileError(file, f"a kernel is using it ({owner})")
            return cls(file, _fresh_info(settings), None)
        if settings.encryption == "required" and info.curve_secretkey is None:
            reason = "it has no CURVE keys, and connection.encryption is required"
            raise ConnectionFileError(file, reason)
        return cls(file, info, info)

    @property
    def kernel_id(self) -> str:
        """The id in the file's name."""
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
        # Jupyter servers leave out external kernels without a name.
        name = info.kernel_name or f"hostkernel-{host}"
        self.info = info.model_copy(update={"hostkernel": facts, "kernel_name": name})
        self.info.write(self.file)

    def withdraw(self) -> None:
        """Remove our file; give a launcher's back as it was. Never in a forked child."""
        if os.getpid() != self._pid or not self._is_still_ours():
            return
        if self._launcher is None:
            self.file.unlink(missing_ok=True)
        else:
            self._launcher.write(self.file)

    def _is_still_ours(self) -> bool:
        try:
            found = ConnectionInfo.read(self.file)
        except ConnectionFileError:
            return False
        return found.key == self.info.key


def _fresh_info(settings: ConnectionSettings) -> ConnectionInfo:
    return ConnectionInfo.fresh(settings.ip, encrypted=settings.encryption == "required")
