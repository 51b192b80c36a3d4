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
# The files that take longest, begun first: no worker is left with one of them at the end.
LONGEST = (
    "parity/test_parity.py",
    "kernel/test_soak.py",
    "hosts/test_blender.py",
    "jupyter/test_launch.py",
    "jupyter/test_attach.py",
    "jupyter/test_batch.py",
    "hosts/test_blender_start.py",
    "hosts/test_unharmed.py",
    "hosts/test_everything.py",
    "hosts/test_blender_soak.py",
    "hosts/test_blender_pictures.py",
    "jupyter/test_relay.py",
    "test_docs_clients.py",
    "hosts/test_other_python.py",
    "hosts/test_blender_window.py",
    "jupyter/test_protocol.py",
    "jupyter/test_lab.py",
    "cli/test_run.py",
    "launch/test_start.py",
    "kernel/test_crowd.py",
    "hosts/test_blender_undo.py",
    "kernel/test_restart.py",
    "hosts/test_qt.py",
    "test_benchmarks.py",
    "kernel/test_debugger.py",
    "hosts/test_blender_extension.py",
)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Secrecy(), "secrecy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    ranks = {str(config.rootpath / "tests" / name): rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(str(item.path), len(ranks)))


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
