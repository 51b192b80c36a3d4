"""Commands that plugins bring, as a shell runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[str]]

GOOD = """
import typer
app = typer.Typer()

@app.command()
def greet(name: str):
    "Say hello."
    print("hello", name)
"""


@pytest.fixture
def hostkernel(tmp_path: Path) -> Command:
    """Run hostkernel where a distribution brings the command ``greet`` with this code."""

    def run(code: str, *args: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "greeting.py").write_text(code)
        info = tmp_path / "greeting-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[hostkernel.commands]\ngreet = greeting:app\n")
        return subprocess.run(
            [sys.executable, "-m", "hostkernel", *args],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_plugin_brings_a_command(hostkernel: Command) -> None:
    result = hostkernel(GOOD, "greet", "you")
    assert (result.returncode, result.stdout) == (0, "hello you\n")


def test_help_lists_it(hostkernel: Command) -> None:
    assert "Say hello." in hostkernel(GOOD, "--help").stdout


@pytest.mark.parametrize(
    ("code", "reason"),
    [("import no_such_module", "no_such_module"), ("app = 3", "is no typer.Typer but int")],
)
def test_a_broken_one_is_blamed_and_harms_no_other(
    hostkernel: Command, code: str, reason: str
) -> None:
    result = hostkernel(code, "greet", "--loud", "you")
    assert result.returncode != 0
    assert "greet (greeting 1.2)" in result.stderr
    assert reason in result.stderr


def test_help_survives_a_broken_one(hostkernel: Command) -> None:
    result = hostkernel("import no_such_module", "--help")
    assert result.returncode == 0
    assert "Broken:" in result.stdout


def test_a_command_that_nobody_brings_is_no_command(hostkernel: Command) -> None:
    assert hostkernel(GOOD, "great").returncode == 2
