"""Fixtures for tests with real Jupyter programs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.notebooks import Server
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home of its own; whatever was started there is ended with the test."""
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def serve(world: World) -> Iterator[Callable[..., Server]]:
    """Start a Jupyter server; ended with the test."""
    with ExitStack() as servers:

        def start(*options: str, **env: str) -> Server:
            server = Server(world, *options, **env)
            servers.callback(server.end)
            return server

        yield start


@pytest.fixture
def install(world: World) -> Callable[..., None]:
    """``hostkernel kernelspec install ARGS``."""

    def run(*args: str) -> None:
        done = world.run("kernelspec", "install", *args)
        assert done.returncode == 0, done.stderr

    return run
