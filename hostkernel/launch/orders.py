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

from .bootstrap import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Orders", "start_folder"]


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
    """

    host: str
    settings: str
    kernel_id: str
    args: tuple[str, ...] = ()
    connection_file: Path | None = None
    owns_process: bool = False

    def write(self, folder: Path) -> None:
        """Write them where the bootstrap looks; ``folder`` must be private."""
        import tomli_w

        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        content = {**self.content(), "python": python, "sites": list(site_directories())}
        handle = os.open(folder / ORDERS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
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
        }
        if self.connection_file is not None:
            content["connection_file"] = str(self.connection_file)
        return content


@contextmanager
def start_folder(runtime: Path) -> Iterator[Path]:
    """A private directory for one start, beside the connection files, gone afterwards.

    Its name has nothing of the kernel's id: clients look up files by any part of their name.
    """
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="hostkernel-start-", dir=runtime))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def site_directories() -> Iterator[str]:
    """The directories that this environment's packages are in, hostkernel's among them."""
    for entry in sys.path:
        if Path(entry).name in {"site-packages", "dist-packages"} and Path(entry).is_dir():
            yield str(Path(entry).resolve())
    yield str(Path(__file__).resolve().parents[2])
