"""What the shell and the kernel need from the embedding that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from hostkernel.config.models import KernelSettings
    from hostkernel.host import Host
    from hostkernel.kernel.guest.driver import Driver
    from hostkernel.kernel.process.forks import Forks
    from hostkernel.kernel.process.interrupt import Interrupter
    from hostkernel.kernel.process.residue import Residue
    from hostkernel.kernel.process.swap import SessionNames
    from hostkernel.kernel.process.threads import Threads

    from .interpreter import Interpreter
    from .kernel import HostIPythonKernel
    from .output import CellStream

__all__ = ["EndRequests", "Owner"]


class EndRequests(Protocol):
    """Where the kernel and the shell report requests to end or restart the kernel."""

    def shutdown_requested(self, *, restart: bool) -> None:
        """Handle a client's request to shut down or restart, on the control thread."""

    def exit_requested(self) -> None:
        """Handle a cell's call of ``exit()`` or ``quit()``."""

    def request(self, action: str, *, exit_host: bool) -> None:
        """Handle a request of ``hostkernel stop`` and similar commands, on the control thread."""


class Owner(Protocol):
    """The embedding as the kernel and the shell see it.

    Used on the kernel's thread where nothing else is stated.
    """

    driver: Driver
    forks: Forks
    host: Host
    interpreter: Interpreter
    interrupter: Interrupter
    names: SessionNames
    residue: Residue
    streams: tuple[CellStream, CellStream] | tuple[()]
    settings: KernelSettings
    threads: Threads

    @property
    def endings(self) -> EndRequests:
        """How the kernel ends."""

    @property
    def kernel(self) -> HostIPythonKernel:
        """The kernel that speaks to clients."""

    def surroundings(self, parent: dict[str, Any]) -> AbstractContextManager[None]:
        """Make the context for a step of a cell whose request has the header ``parent``."""

    def wakeup_aside(self) -> AbstractContextManager[None]:
        """Make the context in which a cell runs its own event loop, such as trio's."""

    @property
    def title(self) -> str | None:
        """What was open at the last :meth:`look_at_title`. Any thread."""

    def look_at_title(self) -> None:
        """Note what is open in the host now."""

    def cell_begins(self, cell: str) -> None:
        """A cell is about to run."""

    def cell_ended(self, cell: str, result: object) -> None:
        """A cell has run."""

    def comm_begins(self, message: Mapping[str, Any]) -> None:
        """A comm message is about to be handled, on the kernel's thread."""

    def comm_ended(self, message: Mapping[str, Any]) -> None:
        """A comm message was handled."""
