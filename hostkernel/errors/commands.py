"""Errors that keep a command from doing its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import HostkernelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["KernelspecError", "LogError", "MissingExtraError", "NotebookError", "SelectionError"]


@dataclass(eq=False)
class KernelspecError(HostkernelError):
    """The kernelspec ``name`` cannot be written to or removed from ``folder``."""

    name: str
    folder: Path
    reason: str

    def __str__(self) -> str:
        return f"kernelspec {self.name} in {self.folder}: {self.reason}"


@dataclass(eq=False)
class LogError(HostkernelError):
    """No log was found.

    Attributes:
        wanted: the kernel that was asked for, None for any.
        kernel: that kernel, if it runs and its output goes elsewhere.
    """

    wanted: str | None
    kernel: str | None = None

    def __str__(self) -> str:
        if self.kernel is not None:
            return f"{self.kernel} writes no log: its output goes to the process that started it"
        whose = f" of {self.wanted!r}" if self.wanted else ""
        return f"no log{whose} found; only hosts started by `run --detach` or by Jupyter write one"


@dataclass(eq=False)
class MissingExtraError(HostkernelError):
    """``what`` needs ``package``, which comes with hostkernel's extra ``extra``."""

    what: str
    package: str
    extra: str

    def __str__(self) -> str:
        return f"{self.what} needs {self.package}: pip install 'hostkernel[{self.extra}]'"


@dataclass(eq=False)
class NotebookError(HostkernelError):
    """The notebook in ``file`` cannot be read, run to its end, or written."""

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(eq=False)
class SelectionError(HostkernelError):
    """No running kernel, or more than one, fits what was asked for.

    Attributes:
        wanted: what was asked for, or None for "the only one".
        candidates: one line for each kernel that fits, or for every kernel if none fits.
        matched: whether the candidates fit.
        notes: one line for each connection file that was left out, with the reason.
    """

    wanted: str | None
    candidates: Sequence[str]
    matched: bool = False
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join([self._reason(), *(f"  {line}" for line in self.candidates), *self.notes])

    def _reason(self) -> str:
        if not self.candidates:
            return "no kernel is running; start one with: hostkernel run"
        if self.matched and self.wanted is None:
            return "several kernels are running; name one by id, host, pid or title:"
        if self.matched:
            return f"{self.wanted!r} matches several kernels:"
        if self.wanted is None:
            return "no kernel is running here; there are:"
        return f"no running kernel matches {self.wanted!r}; running:"
