"""Qt's event loop, woken from any thread, even before an application or a binding exists."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hostkernel.host import HostLoop, guard, guarded

from .bindings import Arrival, application, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.host import Tick

__all__ = ["Bell", "ExitBell", "QtLoop"]


class Bell:
    """A call from Qt's event loop, on the main thread, that any thread can ask for.

    A ring posts an event to an object of the main thread. A ring that comes before the program
    has imported its binding, or has made its application, is delivered when its loop begins.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._lock = threading.RLock()
        self._receiver: Any = None
        self._rung_early = False
        self._arrival: Arrival | None = None
        if loaded() is None:
            self._arrival = Arrival(self._hang)
        else:
            self._hang()

    def _hang(self) -> None:
        self._core: Any = loaded()
        # A child of the thread: some bindings delete objects without a parent with the application.
        receiver = self._core.QObject(self._core.QThread.currentThread())
        # Qt sleeps in C: a Ctrl-C during the sleep is raised as the handler is called, which
        # ends the program in PyQt.
        guard(receiver, "customEvent", self._struck)
        with self._lock:
            self._receiver = receiver
            if self._rung_early:
                self.ring()

    def _struck(self) -> None:
        if self._receiver is not None:
            self._callback()

    def ring(self) -> None:
        """Called on any thread: call back once, soon."""
        with self._lock:
            if self._receiver is None:
                self._rung_early = True
                return
            event = self._core.QEvent(self._core.QEvent.Type.User)
            self._core.QCoreApplication.postEvent(self._receiver, event)

    def close(self) -> None:
        """Called on the main thread, also from the callback: never call back again."""
        if self._arrival is not None:
            self._arrival.close()
        with self._lock:
            receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.deleteLater()


class QtLoop(HostLoop):
    """The event loop of a Qt program, whichever way the program runs it.

    A nested loop, such as a modal dialog's, also gives the kernel its turns.
    """

    def __init__(self) -> None:
        self._bell: Bell | None = None

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once, possibly before there is an application."""
        self._bell = Bell(tick)

    def wake(self) -> None:
        """Called inside, from any thread: call ``tick`` once, soon, on the main thread."""
        if self._bell is not None:
            self._bell.ring()

    def stop(self) -> None:
        """Called inside, on the main thread, once: remove the bell from the program."""
        if self._bell is not None:
            self._bell.close()


class ExitBell:
    """A call when the program's event loop ends, whether or not it has begun yet."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._ended = guarded(callback)
        self._connected = False
        self._bell = Bell(self._connect)
        if application() is None:
            self._bell.ring()
        else:
            self._connect()

    def _connect(self) -> None:
        application().aboutToQuit.connect(self._ended)
        self._connected = True

    def close(self) -> None:
        """Called on the main thread: never call back again."""
        self._bell.close()
        app = application()
        if self._connected and app is not None:
            # The bindings raise these if an earlier application was connected.
            with suppress(RuntimeError, TypeError):
                app.aboutToQuit.disconnect(self._ended)
