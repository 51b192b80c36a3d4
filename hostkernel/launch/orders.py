"""Outside: what the bootstrap is told, in one private file that it deletes once read."""

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
    """What the bootstrap is told.

    Attributes:
        host: the adapter's name.
        settings: from :meth:`hostkernel.config.Tables.dump`; empty in this very process.
        kernel_id: the id that the kernel shall have.
        args: the user's own arguments.
        connection_file: the launcher's, from ``-f``.
        owns_process: the process is there for hostkernel only, which may handle its signals.
        parent: the Jupyter server that launches the host, as a process id.
        windowed: the host has a window that its user works in.
        python: the minor version of the Python inside, as far as is known.
        sites: the directories with packages for it; by default those of this environment.
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
        """A private folder for one start, with the orders in it, gone afterwards.

        Args:
            runtime: where connection files live.

        Raises:
            LaunchError: nothing can be written there, or others could write there too.

        """
        try:
            runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whoever could put other orders there would say what the host runs.
            if (reason := why_not_ours(runtime)) is not None:
                raise LaunchError(self.host, reason)
            # Nothing of the kernel's id: clients look up files by any part of their name.
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
        """As the bootstrap takes them; a setting that is None is left out."""
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
    """The directories that this environment's packages are in, hostkernel's among them."""
    for entry in sys.path:
        if Path(entry).name in {"site-packages", "dist-packages"} and Path(entry).is_dir():
            yield str(Path(entry).resolve())
    yield str(Path(__file__).resolve().parents[2])
