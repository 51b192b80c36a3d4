"""Outside: stay with a host in a process of its own until it ends, and end it when asked."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from hostkernel.errors import HostkernelError
from hostkernel.registry import tells_of

from .child import describe_status
from .control import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostkernel.host import Launch

    from .signals import Signals
    from .starter import Started

__all__ = ["Ended", "follow"]

_PATIENCE = 10.0  # seconds that a host may take for an orderly end
_WATCH = 0.1  # seconds between checks of a host that is not our child


class Ended:
    """How a host ended; ``reason`` is None for an orderly end."""

    def __init__(self, reason: str | None, output: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.output = output


def follow(started: Started, launch: Launch, signals: Signals, say: Callable[[str], None]) -> Ended:
    """Wait on the main thread for the host's end.

    The first Ctrl-C or SIGTERM asks the kernel and the host for an orderly end; the second, or
    ten seconds without an end, forces it. A closed terminal also asks, but a host with a window
    goes on, and this process stays to take its output.

    Args:
        started: the host.
        launch: how it was started.
        signals: already entered; what the user wants.
        say: called with a sentence for the user.
    """
    threading.Thread(target=_watch, args=(started, signals), daemon=True).start()
    if _had_to_be_ended(started, signals, say, windowed=launch.windowed):
        return Ended("it had to be killed", started.child.last_output())
    return _verdict(started, launch)


def _watch(started: Started, signals: Signals) -> None:
    process = started.process
    if process is None or process.pid == started.child.pid:
        started.child.process.wait()
    else:
        while process.is_alive:
            time.sleep(_WATCH)
    signals.add("ended")


def _had_to_be_ended(
    started: Started, signals: Signals, say: Callable[[str], None], *, windowed: bool
) -> bool:
    deadline: float | None = None
    while True:
        event = signals.next(deadline and max(0.0, deadline - time.monotonic()))
        if event == "ended":
            return False
        # A closed terminal may send SIGHUP twice, which must not mean "at once".
        if event == "hangup" and (windowed or deadline):
            continue
        if deadline or not tells_of(started.connection_file, started.info):
            break
        say("stopping; press Ctrl-C again to stop at once")
        threading.Thread(target=_ask_to_end, args=(started, signals), daemon=True).start()
        deadline = time.monotonic() + _PATIENCE
    say("ending the host")
    started.child.end(started.process)
    return True


def _ask_to_end(started: Started, signals: Signals) -> None:
    try:
        ask(started.info, "stop", exit_host=True, timeout=_PATIENCE)
    except HostkernelError:
        signals.add("interrupt")  # The kernel cannot be asked, so force the end.


def _verdict(started: Started, launch: Launch) -> Ended:
    child, process = started.child, started.process
    output = child.last_output()
    if process is not None and process.pid != child.pid:
        # Not our child: its status is unknown, but a kernel that ended in order cleans up.
        crashed = started.connection_file.exists() and started.info.hostkernel is not None
        return Ended("it ended without stopping its kernel" if crashed else None, output)
    status = child.status
    if status is None or status in launch.orderly:
        return Ended(None)
    return Ended(f"it ended with {describe_status(status)}", output)
