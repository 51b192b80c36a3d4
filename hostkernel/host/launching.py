"""How a host is found, started and examined, as seen from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Finding", "Installation", "Launch", "LaunchRequest", "to_start"]


@dataclass(frozen=True)
class Installation:
    """A copy of the application on this machine.

    Attributes:
        path: the executable, or the package directory of a host that is a Python module.
        version: the host's version, if it is known.
        python: ``"3.11"``: the minor version of the Python inside, if it is known.
        listed_only: True for a copy that ``hostkernel hosts`` lists and that is not started.
    """

    path: Path
    version: str | None = None
    python: str | None = None
    listed_only: bool = False

    def examined(self) -> Installation:
        """Called outside, for listings: this copy with everything that can be found out.

        Override it where only the application itself knows; starting the application to ask it
        in :meth:`Host.find` would delay every start.
        """
        return self


def to_start(found: Iterable[Installation]) -> Installation | None:
    """Return the copy to start: the first that is not merely listed, None if there is none."""
    return next((each for each in found if not each.listed_only), None)


@dataclass(frozen=True)
class LaunchRequest:
    """What the outside asks an adapter to start.

    Attributes:
        bootstrap: the script that must run first inside the host, on its main thread.
        args: the user's own arguments for the host.
        installation: the copy to start, the first that :meth:`Host.find` gave; None if it gave
            none, or if the settings have a ``command``.
    """

    bootstrap: Path
    args: tuple[str, ...]
    installation: Installation | None


@dataclass(frozen=True)
class Launch:
    """How to start the host.

    Attributes:
        argv: program and arguments.
        env: variables to add to the environment.
        cwd: working directory, None for the user's.
        in_process: True where this very process becomes the host; ``argv`` is then unused.
        windowed: True where the host shows a window that its user works in. Such a host
            outlives the terminal or server that started it.
        orderly: the exit statuses with which the host ends in good order.
        python: ``"3.11"``: the minor version of the Python inside, if it is known; by default
            that of the installation. If it differs from this process's, packages for it are
            fetched before the start; otherwise the first start would end, only to report it.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    in_process: bool = False
    windowed: bool = False
    orderly: frozenset[int] = frozenset({0})
    python: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something that ``hostkernel doctor`` found wrong.

    Attributes:
        problem: what is wrong, in a sentence.
        fix: the command that fixes it, or what to do.
        prevents: True if the problem keeps the host from starting, False for a mere warning.
    """

    problem: str
    fix: str
    prevents: bool = False
