"""What holds for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from secrecy import Secrecy

if TYPE_CHECKING:
    from pathlib import Path


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Secrecy(), "secrecy")


@pytest.fixture(scope="session", autouse=True)
def _secrecy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    request.config.pluginmanager.get_plugin("secrecy").begin(folder)
