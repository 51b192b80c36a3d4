"""The functions of the ``comm`` library, which belong to whoever runs the kernel.

Importing ipykernel makes them its own for good. Here that import is made, and undone in this
respect, so that an application which brings its own keeps them while no kernel runs.
"""

from __future__ import annotations

import comm

__all__ = ["take"]

_NAMES = ("create_comm", "get_comm_manager")
_before = {name: vars(comm)[name] for name in _NAMES}

import ipykernel.ipkernel  # noqa: E402

_kernels = {name: vars(ipykernel.ipkernel)[f"_{name}"] for name in _NAMES}
vars(comm).update(_before)


def take() -> None:
    """A kernel starts: comms are its own."""
    vars(comm).update(_kernels)
