"""Fixtures for tests of the kernel in programs of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.live import MODES, LiveHost
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start a program from its source; ended with the test."""
    with ExitStack() as programs:

        def start(source: str, **env: str) -> Program:
            started = Program(tmp_path, source, **env)
            programs.callback(started.close)
            return started

        yield start


@pytest.fixture
def told(program: Callable[..., Program]) -> Callable[..., dict[str, Any]]:
    """Run a program to its end; what it told."""
    return lambda source, **env: program(source, **env).told()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LiveHost]]:
    """Start a host that does what it is told, in a mode; ended with the module.

    It runs in Python's development mode unless ``dev`` is False.
    """
    with ExitStack() as hosts:

        def start(mode: str, *, dev: bool = True, **env: str) -> LiveHost:
            host = LiveHost(tmp_path_factory.mktemp("live"), mode, dev=dev, **env)
            hosts.callback(host.close)
            return host

        yield start


@pytest.fixture(scope="module")
def live_hosts(live: Callable[..., LiveHost]) -> Callable[[str], LiveHost]:
    """The module's one host of a mode."""
    hosts: dict[str, LiveHost] = {}

    def get(mode: str) -> LiveHost:
        if mode not in hosts:
            hosts[mode] = live(mode)
        return hosts[mode]

    return get


def _lend(host: LiveHost) -> Iterator[LiveHost]:
    yield host
    host.drop_clients()
    if host.beside("manager.state.value") != "idle":
        host.beside("manager.request_stop('the end of the test')")
        host.wait_stopped()


@pytest.fixture
def host(live_hosts: Callable[[str], LiveHost]) -> Iterator[LiveHost]:
    """A host that owns its main loop. What a test leaves running is stopped."""
    yield from _lend(live_hosts("pumped"))


@pytest.fixture(params=MODES)
def each_host(
    request: pytest.FixtureRequest, live_hosts: Callable[[str], LiveHost]
) -> Iterator[LiveHost]:
    """A host in each of the four modes. What a test leaves running is stopped."""
    yield from _lend(live_hosts(request.param))
