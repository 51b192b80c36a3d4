"""Outside: the orders for the bootstrap, in a private file that it deletes once read."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.errors import LaunchError
from hostkernel.private import why_not_ours

from .bootstrap import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Orders", "site_directories"]


@dataclass(frozen=True)
class Orders:
    """The orders for the bootstrap.

    Attributes:
        host: the adapter's name.
        settings: from :meth:`hostkernel.config.Raw.dump`; empty in this process.
        kernel_id: the id for the kernel.
        args: the user's own arguments.
        connection_file: the launcher's file, from ``-f``.
        owns_process: whether the process is for hostkernel only, which may handle its signals.
        parent: the process id of the Jupyter server that launches the host.
        windowed: whether the host has a window that the user works in.
        python: the minor version of the Python inside, as far as it is known.
        sites: the directories with packages for that Python; by default this environment's.
    """

    host: str
    settings: str
    kernel_id: str
    args: tuple[str, ...] = ()
    connection_file: Path | None = None
    owns_process: bool = False
    parent: int | None = None
    windowed: bool = False
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    sites: tuple[str, ...] = ()

    @contextmanager
    def written_below(self, runtime: Path) -> Iterator[Path]:
        """Yield a private folder with the orders for one start; delete it afterwards.

        Args:
            runtime: the folder of connection files.

        Raises:
            LaunchError: nothing can be written there, or others could write there too.

        """
        try:
            runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Anyone who could put other orders there would decide what the host runs.
            if (reason := why_not_ours(runtime)) is not None:
                raise LaunchError(self.host, reason)
            # Without the kernel's id: clients look up files by any part of their name.
            folder = Path(tempfile.mkdtemp(prefix="hostkernel-start-", dir=runtime))
        except OSError as error:
            reason = f"nothing can be written to {runtime}: {error.strerror or error}"
            raise LaunchError(self.host, reason) from error
        try:
            self._write(folder / ORDERS)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, file: Path) -> None:
        import tomli_w

        sites = list(self.sites or site_directories())
        content = {**self.content(), "python": self.python, "sites": sites}
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            tomli_w.dump(content, stream)

    def content(self) -> dict[str, object]:
        """The orders as the bootstrap reads them, without attributes that are None."""
        content: dict[str, object] = {
            "host": self.host,
            "settings": self.settings,
            "kernel_id": self.kernel_id,
            "args": list(self.args),
            "owns_process": self.owns_process,
            "windowed": self.windowed,
        }
        if self.parent is not None:
            content["parent"] = self.parent
        if self.connection_file is not None:
            content["connection_file"] = str(self.connection_file)
        return content


def site_directories() -> Iterator[str]:
    """The directories with this environment's packages, including hostkernel's own."""
    for entry in sys.path:
        if Path(entry).name in {"site-packages", "dist-packages"} and Path(entry).is_dir():
            yield str(Path(entry).resolve())
    yield str(Path(__file__).resolve().parents[2])
