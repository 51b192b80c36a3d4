"""What holds for all tests: no key is ever shown, and figures are printed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from secrecy import Secrecy

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = "figures"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Secrecy(), "secrecy")


@pytest.fixture(scope="session", autouse=True)
def _secrecy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    request.config.pluginmanager.get_plugin("secrecy").begin(folder)


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
