"""Qt's event loop, woken from any thread. Needs no application, nor a binding, to begin with."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hostkernel.host import HostLoop

from .bindings import Arrival, application, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.host import Tick

__all__ = ["Bell", "ExitBell", "QtLoop"]


class Bell:
    """Rung on any thread, it calls back on the main thread, from Qt's event loop.

    It is a timer of no length that each ring starts by a queued call: a ring costs no Python on
    the main thread, and rings that come together are heard as one. The queue belongs to the
    thread, not to the application: a ring before the program has made its application, or has
    imported its binding, is heard once its loop runs.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._lock = threading.RLock()
        self._timer: Any = None
        self._arrival: Arrival | None = None
        if loaded() is None:
            self._arrival = Arrival(self._hang)
        else:
            self._hang()

    def _hang(self) -> None:
        self._core: Any = loaded()
        timer = self._core.QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(self._struck)
        with self._lock:
            self._timer = timer
        if self._arrival is not None:
            self.ring()

    def _struck(self) -> None:
        if self._timer is not None:
            self._callback()

    def ring(self) -> None:
        """Called on any thread: call back once, soon."""
        with self._lock:
            if self._timer is None:
                return
            queued = self._core.Qt.ConnectionType.QueuedConnection
            # Some bindings delete a program's timers along with its application.
            with suppress(RuntimeError):
                self._core.QMetaObject.invokeMethod(self._timer, "start", queued)

    def close(self) -> None:
        """Called on the main thread, also from the callback: never call back again."""
        if self._arrival is not None:
            self._arrival.close()
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            with suppress(RuntimeError):
                _dispose(timer)


def _dispose(timer: Any) -> None:
    # The timer may be the very one whose timeout is being handled: deleted by Python at its
    # last reference it would be gone too early. The application deletes it in its next turn.
    timer.stop()
    timer.setParent(application())
    timer.deleteLater()


class QtLoop(HostLoop):
    """The event loop of a Qt program, whichever way the program runs it.

    A nested loop, such as a modal dialog's, wakes the kernel just as well.
    """

    def __init__(self) -> None:
        self._bell: Bell | None = None

    def start(self, tick: Tick) -> None:
        """Called inside, on the main thread, once; also before there is an application."""
        self._bell = Bell(tick)

    def wake(self) -> None:
        """Called inside, from any thread: call ``tick`` once, soon, on the main thread."""
        if self._bell is not None:
            self._bell.ring()

    def stop(self) -> None:
        """Called inside, on the main thread, once; nothing of ours stays in the program."""
        if self._bell is not None:
            self._bell.close()


class ExitBell:
    """Calls back when the program's event loop ends, whether or not it has begun yet."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._bell: Bell | None = None
        if application() is None:
            self._bell = Bell(self._connect)
            self._bell.ring()
        else:
            self._connect()

    def _connect(self) -> None:
        application().aboutToQuit.connect(self._ended)

    def _ended(self) -> None:
        self._callback()

    def close(self) -> None:
        """Called on the main thread: do not call back any more."""
        if self._bell is not None:
            self._bell.close()
        app = application()
        if app is not None:
            # What the bindings raise where it never was connected.
            with suppress(RuntimeError, TypeError):
                app.aboutToQuit.disconnect(self._ended)
