"""Outside: check that a kernel answers, before the user is shown how to connect.

A kernel whose host never gives it a turn has its files and sockets, and answers on the control
channel. Only the shell channel, which the host's main thread serves, shows the difference.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import TYPE_CHECKING

from hostkernel.errors import RequestError

from .control import ask, client

if TYPE_CHECKING:
    from .signals import Signals
    from .starter import Started

__all__ = ["why_no_answer"]

_PATIENCE = 20.0  # seconds; a window may take half of that until it is drawn
_LOOK = 0.1  # seconds between checks of the host


def why_no_answer(started: Started, signals: Signals) -> str | None:
    """Return why the kernel does not answer, None if it does.

    Ask for its status on the control channel, then for its info on the shell channel. Return None
    at once if the host ends, or if Ctrl-C is pressed, which then becomes the next event.

    Args:
        started: the host.
        signals: already entered.
    """
    try:
        with signals.raising():
            return _ask(started)
    except KeyboardInterrupt:
        signals.add("interrupt")
        return None


def _ask(started: Started) -> str | None:
    try:
        ask(started.info, "status", timeout=_PATIENCE)
    except RequestError as error:
        return f"its kernel is up, but could not be reached: {error}"
    if _is_heard(started):
        return None
    return (
        f"its main thread has not given the kernel a turn for {_PATIENCE:g} s; "
        "cells run when it does"
    )


def _is_heard(started: Started) -> bool:
    deadline = time.monotonic() + _PATIENCE
    with client(started.info) as asking:
        asking.start_channels(iopub=False, stdin=False, hb=False, control=False)
        asking.kernel_info()
        while time.monotonic() < deadline and started.child.status is None:
            try:
                asking.get_shell_msg(timeout=_LOOK)
            except Empty:
                continue
            return True
    return started.child.status is not None  # How the host ended is reported elsewhere.
