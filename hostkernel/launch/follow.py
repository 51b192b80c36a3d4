"""Outside: stay with a host in a process of its own until it ends, and end it when asked."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal

from hostkernel.errors import HostkernelError

from .child import describe_status
from .control import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostkernel.host import Launch

    from .starter import Started

__all__ = ["Ended", "follow"]

Event = Literal["ended", "interrupt", "hangup"]
_PATIENCE = 10.0  # seconds that a host may take to end in its own order
_WATCH = 0.1  # seconds between looks at a host that is not our child


class Ended:
    """How a host ended: ``reason`` is None where it was in order."""

    def __init__(self, reason: str | None, output: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.output = output


def follow(started: Started, launch: Launch, say: Callable[[str], None]) -> Ended:
    """Wait on the main thread for the host's end.

    The first Ctrl-C, or SIGTERM, asks kernel and host to end in their own order; the second,
    or ten seconds without an end, makes them. A closed terminal ends only a host without a
    window; one with a window goes on, and we stay to take its output.

    Args:
        started: the host.
        launch: how it was started.
        say: called with a sentence for the user.
    """
    events: SimpleQueue[Event] = SimpleQueue()
    watcher = threading.Thread(target=_watch, args=(started, events), daemon=True)
    with _signals_into(events, windowed=launch.windowed):
        watcher.start()
        forced = _wait(started, events, say)
    if forced:
        return Ended("it had to be made to end", started.child.last_output())
    return _verdict(started, launch)


def _watch(started: Started, events: SimpleQueue[Event]) -> None:
    process = started.process
    if process is None or process.pid == started.child.pid:
        started.child.process.wait()
    else:
        while process.is_alive:
            time.sleep(_WATCH)
    events.put("ended")


@contextmanager
def _signals_into(events: SimpleQueue[Event], *, windowed: bool) -> Iterator[None]:
    def handler(event: Event) -> Callable[[int, object], None]:
        return lambda _signum, _frame: events.put(event)

    wanted = {signal.SIGINT: handler("interrupt"), signal.SIGTERM: handler("interrupt")}
    if hasattr(signal, "SIGHUP"):
        wanted[signal.SIGHUP] = handler("hangup" if windowed else "interrupt")
    before = {signum: signal.signal(signum, handle) for signum, handle in wanted.items()}
    try:
        yield
    finally:
        for signum, handle in before.items():
            signal.signal(signum, handle)


def _wait(started: Started, events: SimpleQueue[Event], say: Callable[[str], None]) -> bool:
    """Whether the host had to be made to end."""
    asked_at: float | None = None
    while True:
        event = _next(events, asked_at)
        if event == "ended":
            return False
        if event == "hangup":
            continue
        if event == "interrupt" and asked_at is None:
            asked_at = time.monotonic()
            say("stopping; press Ctrl-C again to insist")
            threading.Thread(target=_ask_to_end, args=(started, events), daemon=True).start()
            continue
        say("ending it")
        started.child.end(started.process)
        return True


def _next(events: SimpleQueue[Event], asked_at: float | None) -> Event | None:
    """The next event, None once the host has had its time to end."""
    if asked_at is None:
        return events.get()
    try:
        return events.get(timeout=max(0.0, asked_at + _PATIENCE - time.monotonic()))
    except Empty:
        return None


def _ask_to_end(started: Started, events: SimpleQueue[Event]) -> None:
    try:
        ask(started.info, "stop", exit_host=True, timeout=_PATIENCE)
    except HostkernelError:
        # Its kernel was stopped earlier, or does not answer: there is nobody to ask.
        events.put("interrupt")


def _verdict(started: Started, launch: Launch) -> Ended:
    child, process = started.child, started.process
    output = child.last_output()
    if process is not None and process.pid != child.pid:
        # Not our child: nobody tells its status, but a kernel that ended in order cleans up.
        crashed = started.connection_file.exists() and started.info.hostkernel is not None
        return Ended("it ended without stopping its kernel" if crashed else None, output)
    status = child.status
    if status is None or status in launch.orderly:
        return Ended(None)
    return Ended(f"it ended with {describe_status(status)}", output)
