"""Errors of the settings, or of a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import HostkernelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ConfigError", "PluginError", "Problem"]


@dataclass(frozen=True)
class Problem:
    """One problem in the settings.

    Attributes:
        source: where the value came from: a file's path, ``--set``, a variable's name.
        message: what is wrong.
        line: 1-based line in ``source`` if that is a file.
        key: dotted key, such as ``kernel.log_level``.
        text: the offending line or value as it was written.
        expected: what would have been right.
        nearest: the known key that was probably meant.
    """

    source: str
    message: str
    line: int | None = None
    key: str | None = None
    text: str | None = None
    expected: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        parts = [where, self.key, self.message]
        lines = [": ".join(part for part in parts if part)]
        if self.text is not None:
            lines.append(f"    {self.text}")
        if self.expected:
            lines.append(f"  expected {self.expected}")
        if self.nearest:
            lines.append(f"  did you mean {self.nearest}?")
        return "\n".join(lines)


@dataclass(eq=False)
class ConfigError(HostkernelError):
    """The settings cannot be used; ``problems`` holds every reason, not only the first."""

    problems: Sequence[Problem]

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(eq=False)
class PluginError(HostkernelError):
    """One plugin is broken.

    Attributes:
        plugin: the entry point's name, or the path of a local plugin.
        distribution: the installed distribution that brings it, if any.
        version: that distribution's version, if any.
        hook: the hook or method in which it failed, if it got that far.
        reason: what happened, in a sentence.
    The exception behind it, if any, is ``__cause__``.
    """

    plugin: str
    reason: str
    distribution: str | None = None
    version: str | None = None
    hook: str | None = None

    def __str__(self) -> str:
        origin = f" ({self.distribution} {self.version})" if self.distribution else ""
        where = f", {self.hook}" if self.hook else ""
        return f"plugin {self.plugin}{origin}{where}: {self.reason}"
