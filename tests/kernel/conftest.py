"""Fixtures for tests of the kernel in programs of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from kernel.programs import Program

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
