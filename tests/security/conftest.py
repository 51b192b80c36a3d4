"""Fixtures for tests of who may reach a kernel, and of what tells its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home of its own; whatever was started there is ended with the test."""
    world = World(tmp_path)
    yield world
    world.close()
