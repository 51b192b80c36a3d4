"""Outside: run a notebook in an open kernel, and save its output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from hostkernel.errors import NotebookError
from hostkernel.launch.control import ask
from hostkernel.registry import RunningKernel, tells_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read", "run"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class _OpenKernel(AsyncKernelManager):
    """The manager of an open kernel that must not be started, restarted or ended."""

    def __init__(self, kernel: RunningKernel) -> None:
        super().__init__(owns_kernel=False, kernel_name="")
        self._kernel = kernel
        self.load_connection_info(kernel.info.client_info())

    @property
    def has_kernel(self) -> bool:
        return True

    async def is_alive(self) -> bool:
        return tells_of(self._kernel.file, self._kernel.info)


def read(file: Path) -> Any:
    """The notebook in ``file``.

    Raises:
        NotebookError: the file is missing, unreadable or not a notebook.
    """
    import nbformat

    try:
        return nbformat.read(file, as_version=4)
    except OSError as error:
        raise NotebookError(file, error.strerror or str(error)) from error
    except Exception as error:  # nbformat raises whatever its parsers raise
        raise NotebookError(file, f"this is not a notebook: {error}") from error


def run(kernel: RunningKernel, notebook: Any, output: Path) -> None:
    """Run all cells in order, and write the notebook with their output, even if one fails.

    Args:
        kernel: the kernel to run it in.
        notebook: from :func:`read`.
        output: where to write it.

    Raises:
        NotebookError: a cell failed, the kernel ended, or ``output`` cannot be written.
        KeyboardInterrupt: after the running cell has been interrupted.
    """
    client = NotebookClient(notebook, km=_OpenKernel(kernel), timeout=None)
    try:
        client.execute()
    except CellExecutionError as error:
        raise NotebookError(output, _COLOURS.sub("", str(error)).strip()) from error
    except DeadKernelError as error:
        raise NotebookError(output, "the kernel ended in the middle of it") from error
    except KeyboardInterrupt:
        ask(kernel.info, "interrupt")
        raise
    finally:
        _write(notebook, output)


def _write(notebook: Any, output: Path) -> None:
    import nbformat

    new = output.with_name(f".{output.name}.new")
    try:
        nbformat.write(notebook, new)
        new.replace(output)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise NotebookError(output, reason) from error
