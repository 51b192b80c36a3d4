"""The running kernels of this machine, read from their connection files.

No other record exists: a kernel's file is the only source.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import processes
from .connection import ConnectionInfo, HostFacts
from .errors import ConnectionFileError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Listing",
    "RunningKernel",
    "State",
    "find",
    "is_listed",
    "is_reachable",
    "kernels",
    "owner_is_gone",
    "select",
    "tells_of",
]

State = Literal["running", "stale", "elsewhere"]


@dataclass(frozen=True)
class RunningKernel:
    """A kernel that a connection file describes.

    Attributes:
        facts: host, pid, id and title, as the kernel wrote them.
        state: ``running``; ``stale``: its host is gone, and its launcher must remove the file;
            ``elsewhere``: on another machine or in another container that shares this
            directory, so that its state cannot be determined from here.
        info: how to reach the kernel.
        file: the connection file.
    """

    facts: HostFacts
    state: State
    info: ConnectionInfo
    file: Path

    @property
    def id(self) -> str:
        """The kernel's id."""
        return self.facts.kernel_id

    def __str__(self) -> str:
        title = f" ({self.facts.title})" if self.facts.title else ""
        where = "" if self.state == "running" else f", {self.state}"
        return f"{self.id}  {self.facts.host}, pid {self.facts.pid}{title}{where}"


@dataclass(frozen=True)
class Listing:
    """What :func:`kernels` found.

    Attributes:
        kernels: oldest first.
        notes: a sentence for each file that was skipped or removed.
    """

    kernels: tuple[RunningKernel, ...]
    notes: tuple[str, ...] = ()


def kernels(directory: Path | None = None) -> Listing:
    """List the kernels whose connection files lie in ``directory``.

    Remove a file of hostkernel's whose host is gone. Leave alone a file that cannot be read.

    Args:
        directory: Jupyter's runtime directory by default.
    """
    found: list[RunningKernel] = []
    notes: list[str] = []
    for file in _by_age((directory or runtime_directory()).glob("kernel-*.json")):
        try:
            kernel = _read(file)
        except ConnectionFileError as error:
            notes.append(f"skipped {error}")
            continue
        if kernel is not None and not (kernel.state == "stale" and _removed(kernel, notes)):
            found.append(kernel)
    return Listing(tuple(found), tuple(notes))


def find(wanted: str | None, directory: Path | None = None) -> RunningKernel:
    """The one running kernel that ``wanted`` names.

    Args:
        wanted: a prefix of the kernel's id, its host, pid or title, or the path of its connection
            file. None for the only one there is.
        directory: Jupyter's runtime directory by default.

    Raises:
        SelectionError: none fits, or several do.
        ConnectionFileError: the file named is missing, broken or not hostkernel's.
    """
    if wanted is not None and wanted.endswith(".json"):
        named = _named_file(wanted, directory or runtime_directory())
        return select(None, [named])
    listing = kernels(directory)
    return select(wanted, listing.kernels, listing.notes)


def select(
    wanted: str | None, among: Sequence[RunningKernel], notes: Sequence[str] = ()
) -> RunningKernel:
    """The one kernel of ``among`` that runs here and that ``wanted`` names, as in :func:`find`.

    Args:
        wanted: as in :func:`find`.
        among: the kernels to select from.
        notes: what to tell the user if the selection fails.

    Raises:
        SelectionError: none fits, or several do.
    """
    here = [kernel for kernel in among if kernel.state == "running"]
    fitting = [kernel for kernel in here if wanted is None or _fits(kernel, wanted)]
    exact = [kernel for kernel in fitting if kernel.id == wanted]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    candidates = [str(kernel) for kernel in fitting or among]
    raise SelectionError(wanted, candidates, bool(fitting), notes)


def _fits(kernel: RunningKernel, wanted: str) -> bool:
    facts = kernel.facts
    names = (facts.host, str(facts.pid), facts.title)
    return wanted in names or (bool(wanted) and facts.kernel_id.startswith(wanted))


def runtime_directory() -> Path:
    """Where Jupyter's clients look for connection files."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def owner_is_gone(info: ConnectionInfo) -> bool:
    """Whether a connection file of hostkernel's is stale: its host ended without removing it.

    This can be said only for this machine and boot, and only if the process is gone *and* nothing
    listens on the heartbeat port.
    """
    facts = info.hostkernel
    if facts is None or facts.machine != processes.machine():
        return False
    return not processes.alive(facts.pid, facts.started) and not _listening(info)


def tells_of(file: Path, info: ConnectionInfo) -> bool:
    """Whether ``file`` still describes the kernel that ``info`` was read for, and its host lives.

    At the kernel's end the file is removed, or restored for its launcher.
    """
    try:
        found = ConnectionInfo.read(file)
    except ConnectionFileError:
        return False
    facts = found.hostkernel
    return facts is not None and facts.same_kernel(info.hostkernel) and not owner_is_gone(found)


def is_listed(kernel: RunningKernel) -> bool:
    """Whether the kernel's connection file still describes it."""
    return tells_of(kernel.file, kernel.info)


def is_reachable(info: ConnectionInfo) -> bool:
    """Whether a kernel's heartbeat port is open and, if on this machine, its host lives."""
    facts = info.hostkernel
    if facts is not None and facts.machine == processes.machine():
        return processes.alive(facts.pid, facts.started) and _listening(info)
    return _listening(info)


def _read(file: Path) -> RunningKernel | None:
    try:
        info = ConnectionInfo.read(file)
    except ConnectionFileError:
        if not file.exists():
            return None  # Its kernel stopped between the listing and the reading.
        raise
    if info.hostkernel is None:
        return None
    return RunningKernel(info.hostkernel, _state(info, info.hostkernel), info, file)


def _state(info: ConnectionInfo, facts: HostFacts) -> State:
    if facts.machine != processes.machine():
        return "elsewhere"
    return "stale" if owner_is_gone(info) else "running"


def _named_file(wanted: str, directory: Path) -> RunningKernel:
    file = Path(wanted) if Path(wanted).exists() else directory / wanted
    file = file if file.exists() else Path(wanted)
    kernel = _read(file) if file.exists() else None
    if kernel is None:
        ConnectionInfo.read(file)
        raise ConnectionFileError(file, "this is not the file of a kernel of hostkernel")
    return kernel


def _removed(kernel: RunningKernel, notes: list[str]) -> bool:
    if not kernel.facts.owned:
        return False
    # Remove only the file that was checked: a new one may have been written since.
    if _read(kernel.file) == kernel:
        kernel.file.unlink(missing_ok=True)
        _remove_sockets(kernel.info)
        notes.append(f"removed {kernel.file}: its host (pid {kernel.facts.pid}) is gone")
    return True


def _remove_sockets(info: ConnectionInfo) -> None:
    if info.transport == "ipc":
        with suppress(OSError):
            for port in info.ports.values():
                Path(f"{info.ip}-{port}").unlink(missing_ok=True)
            Path(info.ip).parent.rmdir()


def _by_age(files: Iterable[Path]) -> list[Path]:
    def modified(file: Path) -> float:
        try:
            return file.stat().st_mtime
        except OSError:
            return 0.0

    return sorted(files, key=lambda file: (modified(file), file.name))


_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def _listening(info: ConnectionInfo) -> bool:
    if info.transport == "ipc":
        return _ipc_listening(f"{info.ip}-{info.hb_port}")
    try:
        with socket.create_connection((_ANY_ADDRESS.get(info.ip, info.ip), info.hb_port), 1):
            return True
    except OSError as error:
        # Any other error is not a clear no, and must not remove the file.
        return error.errno not in {errno.ECONNREFUSED, errno.EADDRNOTAVAIL}


def _ipc_listening(path: str) -> bool:
    if not hasattr(socket, "AF_UNIX") or not os.path.lexists(path):
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except OSError as error:
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
    return True
