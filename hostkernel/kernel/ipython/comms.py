"""Comms: the ``comm`` library's functions, and the widgets that outlive a shell.

The functions belong to whoever runs the kernel. Importing ipykernel makes them its own for good.
Here that import is made, and undone in this respect, so that an application which brings its own
keeps them while no kernel runs.
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
    """A kernel starts: comms are its own."""
    vars(comm).update(_kernels)


def connect_widgets() -> None:
    """A fresh shell: clients may open widgets, if an earlier one imported the library.

    It registers itself only when it is imported.
    """
    widgets = sys.modules.get(_WIDGETS)
    if widgets is not None:
        widgets.register_comm_target()


def forget(manager: CommManager) -> None:
    """A shell ends: let go of its comms, without a word to clients, and of its widgets.

    A comm that is not marked as closed would be closed when its widget is collected, and be
    missing by then: a traceback on the host's console for each. The library itself keeps every
    widget that is open, with all that its callbacks refer to.
    """
    for each in manager.comms.values():
        each._closed = True
        each.kernel = None  # the library keeps the comm of its control channel
    manager.comms.clear()
    manager.targets.clear()
    widgets = sys.modules.get(_WIDGETS)
    if widgets is not None:
        try:
            widgets.Widget.close_all()
        except Exception:
            log.debug("a widget could not be closed", exc_info=True)
