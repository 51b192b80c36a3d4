"""A host's main loop, and the kernel that it drives. Inside only."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol

from hostkernel.errors import WrongThreadError

from .entry import guarded

if TYPE_CHECKING:
    from pathlib import Path

    from .adapter import Host

__all__ = ["ExceptHook", "HostLoop", "Kernel", "PostLoop", "Tick", "Wakes"]

Tick = Callable[[], float | None]
"""Run one slice of the kernel; the seconds until it wants the next, None for "when woken"."""

ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
"""The signature of ``sys.excepthook``: called with the type, the error and its traceback."""


class Kernel(Protocol):
    """The kernel as adapters and hooks see it; inside only."""

    @property
    def id(self) -> str:
        """Identifier in the connection file's name, ``kernel-<id>.json``."""

    @property
    def host(self) -> Host:
        """The adapter instance."""

    @property
    def is_running(self) -> bool:
        """Whether clients can reach the kernel now; computed at each access."""

    @property
    def connection_file(self) -> Path | None:
        """The connection file while there is one."""

    def start(self) -> object:
        """Start and return at once; the host's own loop drives the kernel."""

    def serve(self) -> None:
        """Start if necessary, and run the kernel's loop here until the kernel is stopped."""

    def run(self) -> None:
        """Start in the host's loop and return, or :meth:`serve` where the host has none."""

    def stop(self) -> object:
        """Stop, and put the process back as it was."""


class Wakes(Enum):
    """How a host's main loop is made to call ``tick``, see :attr:`HostLoop.wakes`."""

    BY_CALL = auto()
    """:meth:`HostLoop.wake` is enough."""

    BY_SIGNAL = auto()
    """The host sleeps in C between turns, and a signal cuts that sleep short: the core sends
    a private signal to the main thread along with every :meth:`HostLoop.wake`."""

    NEVER = auto()
    """The host cannot be woken: call ``tick`` regularly, and sleep at most for the seconds
    that it returns. An empty tick costs microseconds."""


class HostLoop:
    """A host's main loop, as the kernel's pump sees it. Inside only.

    A host that can be asked to call a function on its main thread uses :class:`PostLoop`. For
    any other, subclass this: keep ``tick`` in :meth:`start`, and make the host call it on its
    main thread once for each :meth:`wake`. The core coalesces wakes, guards against re-entry,
    and ``tick`` itself raises nothing but WrongThreadError.
    """

    wakes: ClassVar[Wakes] = Wakes.BY_CALL
    """How the host is made to call ``tick``."""

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once; begin to call ``tick`` when woken."""
        raise NotImplementedError

    def wake(self) -> None:
        """Called inside, from any thread: call ``tick`` once, soon, on the main thread.

        The core calls it again after a while if no tick has followed.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Called inside, on the main thread, once; never call ``tick`` again."""
        raise NotImplementedError


class PostLoop(HostLoop):
    """The loop of a host that can be asked to call a function on its main thread.

    Args:
        post: called inside, on any thread, with a function without arguments that the host is
            to call once, soon, on its main thread. What is posted raises nothing but
            WrongThreadError, returns None, and does nothing after :meth:`stop`.

    Example::

        def loop(self):
            return PostLoop(sys.modules["myapp"].call_on_main_thread)
    """

    def __init__(self, post: Callable[[Callable[[], None]], object]) -> None:
        self._post = post
        self._tick: Tick | None = None
        # Not the tick itself: a host may call again what returns a true value.
        self._turn = guarded(self._take_turn, passes=(WrongThreadError,))

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once."""
        self._tick = tick

    def wake(self) -> None:
        """Called inside, on any thread: post one call of ``tick``."""
        self._post(self._turn)

    def stop(self) -> None:
        """Called inside, on the main thread, once: a call that is still posted does nothing."""
        self._tick = None

    def _take_turn(self) -> None:
        if self._tick is not None:
            self._tick()
