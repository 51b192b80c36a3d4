"""This Python and what is installed for it."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
import warnings
from importlib import metadata
from typing import TYPE_CHECKING

from hostkernel.host import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["event_loop", "packages", "pip_install", "policy_name"]

_EXAMINED = ("hostkernel", "ipykernel")
_SECONDS = 2.0


def pip_install(what: str, python: str = sys.executable) -> str:
    """The command that installs something into an environment."""
    return f"{shlex.quote(python)} -m pip install {shlex.quote(what)}"


def packages() -> Iterator[Finding]:
    """Check that each package has a version that hostkernel's and ipykernel's metadata allow."""
    from packaging.requirements import Requirement

    wanted = {str(each): Requirement(each) for name in _EXAMINED for each in _requires(name)}
    for requirement in wanted.values():
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        there = _version(requirement.name)
        if there is not None and requirement.specifier.contains(there, prereleases=True):
            continue
        needed = f"{requirement.name}{requirement.specifier}"
        found = f"{requirement.name} {there} is installed" if there else "it is not installed"
        problem = f"{needed} is needed, and {found}"
        yield Finding(problem, pip_install(needed), prevents=True)


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []  # The requirement for the package itself reports this.


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def policy_name() -> str:
    """The class of asyncio's policy, which makes the event loops of the kernel's threads."""
    kind = type(_policy())
    return f"{kind.__module__}.{kind.__qualname__}"


def event_loop() -> Iterator[Finding]:
    """Check that an event loop, as this environment's policy makes it, can watch a socket."""
    custom = sys.modules.get("sitecustomize") or sys.modules.get("usercustomize")
    place = getattr(custom, "__file__", None) or "the sitecustomize.py or .pth file that sets it"
    fix = f"take asyncio's event loop policy out of {place}"
    try:
        works, reason = _can_watch_a_socket(), "it does not say when there is something to read"
    except Exception as error:
        works, reason = False, f"{type(error).__name__} {error}".strip()
    if not works:
        problem = f"event loops of {policy_name()} cannot watch sockets: {reason}"
        yield Finding(problem, fix, prevents=True)
    elif not type(_policy()).__module__.startswith("asyncio."):
        yield Finding(f"{policy_name()} makes the event loops, which is not tested", fix)


def _policy() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.14 on
        return asyncio.get_event_loop_policy()


def _can_watch_a_socket() -> bool:
    from tornado.ioloop import IOLoop  # which ipykernel's threads run

    seen: list[int] = []
    near, far = socket.socketpair()
    loop = IOLoop(make_current=False)

    def ready(number: int, _events: int) -> None:
        seen.append(number)
        loop.stop()

    try:
        loop.add_handler(near.fileno(), ready, IOLoop.READ)
        loop.call_later(_SECONDS, loop.stop)
        far.send(b"x")
        loop.start()
    finally:
        loop.close()
        near.close()
        far.close()
    return bool(seen)
