"""Comms: the ``comm`` library's functions, and the widgets that outlive a shell.

The functions belong to the code that runs the kernel. Importing ipykernel replaces them for good.
This module makes that import and puts the functions back, so that an application with functions
of its own keeps them while no kernel runs.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import comm

if TYPE_CHECKING:
    from ipykernel.comm import CommManager

__all__ = ["connect_widgets", "forget", "take"]

log = logging.getLogger("hostkernel.kernel")

_WIDGETS = "ipywidgets"

_NAMES = ("create_comm", "get_comm_manager")
_before = {name: vars(comm)[name] for name in _NAMES}

import ipykernel.ipkernel  # noqa: E402

_kernels = {name: vars(ipykernel.ipkernel)[f"_{name}"] for name in _NAMES}
vars(comm).update(_before)


def take() -> None:
    """Put ipykernel's functions in place, when a kernel starts."""
    vars(comm).update(_kernels)


def connect_widgets() -> None:
    """Let clients open widgets in a fresh shell, if an earlier shell imported ipywidgets.

    The library registers itself only when it is imported.
    """
    widgets = sys.modules.get(_WIDGETS)
    if widgets is not None:
        widgets.register_comm_target()


def forget(manager: CommManager) -> None:
    """Drop a shell's comms and widgets at its end, without a message to clients.

    A comm that is not marked as closed would be closed when its widget is collected, and would
    be missing by then: one traceback per comm on the host's console. ipywidgets itself keeps
    every open widget, with all that its callbacks refer to.
    """
    for each in manager.comms.values():
        each._closed = True
        each.kernel = None  # ipywidgets keeps the comm of its control channel
    manager.comms.clear()
    manager.targets.clear()
    widgets = sys.modules.get(_WIDGETS)
    if widgets is not None:
        try:
            widgets.Widget.close_all()
        except Exception:
            log.debug("a widget could not be closed", exc_info=True)
