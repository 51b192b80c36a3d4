"""What holds for all tests: no key is ever shown, and figures are printed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.secrecy import Secrecy
from support.windows import screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ("support.fixtures",)

FIGURES = "figures"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Secrecy(), "secrecy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: no worker is left with it at the end."""
    items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("slow")
    return float(mark.args[0]) if mark else 0.0


@pytest.fixture(scope="session", autouse=True)
def _secrecy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    request.config.pluginmanager.get_plugin("secrecy").begin(folder)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A screen that nobody sees: the value of DISPLAY.

    It is small: without a graphics card, what a window costs is its pixels.
    """
    with screen("800x600") as number:
        yield number


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as ``figures``, also those that ran in another process."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == FIGURES
    ]
    if lines:
        terminalreporter.section("figures")
        for line in sorted(lines):
            terminalreporter.line(line)
