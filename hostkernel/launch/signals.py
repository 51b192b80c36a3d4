"""Outside: Ctrl-C, SIGTERM and a closed terminal as events, normally not as exceptions."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Event", "Signals"]

Event = Literal["ended", "interrupt", "hangup"]
_MEANINGS: dict[str, Event] = {
    "SIGINT": "interrupt",
    "SIGTERM": "interrupt",
    "SIGHUP": "hangup",
}


class Signals:
    """A queue of the signals that arrive while the block runs; any thread may add events.

    Enter the block on the main thread. A signal that was already ignored, as under ``nohup``,
    stays ignored.
    """

    def __init__(self) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._before: dict[int, object] = {}
        self._raising = False

    def __enter__(self) -> Self:
        for name, event in _MEANINGS.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handler(event))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handler(self, event: Event) -> Callable[[int, object], None]:
        def handle(_number: int, _frame: object) -> None:
            if self._raising and event == "interrupt":
                raise KeyboardInterrupt
            self._events.put(event)

        return handle

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise KeyboardInterrupt for an interrupt in this block, to break off the work there."""
        self._raising = True
        try:
            yield
        finally:
            self._raising = False

    def add(self, event: Event) -> None:
        """Add an event; called on any thread."""
        self._events.put(event)

    def next(self, timeout: float | None = None) -> Event | None:
        """Wait for the next event; return None if there is none within ``timeout`` seconds."""
        try:
            return self._events.get(timeout=timeout)
        except Empty:
            return None
