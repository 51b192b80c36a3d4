"""Errors in words for the terminal, and the exit status for each."""

from __future__ import annotations

import contextlib
import shlex
import sys
from typing import TYPE_CHECKING

from hostkernel import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.errors import HostkernelError

__all__ = ["FAILED", "NOT_STARTED", "USAGE", "explain", "say"]

FAILED, USAGE, NOT_STARTED = 1, 2, 3

_USAGE_ERRORS = (
    errors.ConfigError,
    errors.ConnectionFileError,
    errors.ScriptNotFoundError,
    errors.SelectionError,
    errors.UnknownHostError,
)
_START_ERRORS = (errors.LaunchError, errors.HostError, errors.PluginError)


def say(text: str) -> None:
    """Print a message that is not a result to stderr; ignore a terminal that is gone."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def explain(error: HostkernelError) -> int:
    """Print what went wrong, and return the exit status for it."""
    if isinstance(error, errors.ScriptError):  # printed as Python would print it
        sys.stderr.write(error.traceback or "")
        return error.status or 0
    lines = _launch_lines(error) if isinstance(error, errors.LaunchError) else [str(error)]
    say("hostkernel: " + "\n".join(lines))
    if isinstance(error, _USAGE_ERRORS):
        return USAGE
    return NOT_STARTED if isinstance(error, _START_ERRORS) else FAILED


def _launch_lines(error: errors.LaunchError) -> Iterator[str]:
    yield f"{error.host} did not start: {error.reason}"
    if error.step:
        yield f"  step: {error.step}"
    if error.command:
        yield f"  command: {shlex.join(error.command)}"
    if error.traceback:
        yield from ("", error.traceback.rstrip(), "")
    if error.output:
        yield "  last output of the host:"
        yield from (f"  | {line}" for line in error.output)
    if error.hint:
        yield from error.hint.splitlines()
