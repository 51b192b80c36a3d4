"""Commands that have each of some kernels do one thing, and say what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from .failures import FAILED, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostkernel.registry import RunningKernel

__all__ = ["act_on"]


def act_on(
    kernels: Iterable[RunningKernel],
    act: Callable[[RunningKernel], str | None],
    *,
    done: str,
    as_json: bool,
) -> None:
    """Ask each kernel in turn; print who has done it, and on stderr who has not and why.

    Args:
        kernels: who is asked.
        act: asks one; returns why the kernel did not do it, else None.
        done: the word for it: ``"stopped"``.
        as_json: print one JSON object at the end: ``{"stopped": [ID, ...]}``.

    Raises:
        Exit: one or more of them did not do it.
    """
    from hostkernel.errors import RequestError

    ids: list[str] = []
    failed = False
    for kernel in kernels:
        try:
            trouble = act(kernel)
        except RequestError as error:
            trouble = str(error)
        if trouble is not None:
            failed = True
            say(f"{kernel}: {trouble}")
            continue
        ids.append(kernel.id)
        if not as_json:
            print(f"{done} {kernel}")
    if as_json:
        print(json.dumps({done: ids}))
    if failed:
        raise typer.Exit(FAILED)
