"""The benchmarks run, and what they print is whole. Their figures are nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow(50)

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = {
    "roundtrip": ("--rounds", "2", "--count", "3"),
    "startup": ("--count", "2"),
}
LIFECYCLE = ("--rounds", "1", "--samples", "1", "--count", "1")


def run(name: str, *args: str) -> str:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *SCRIPTS.get(name, LIFECYCLE), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=SCRIPTS)
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run(request.param, "--hosts", "python", "--json"))
    assert content["benchmark"] == request.param
    return content


def test_every_row_is_measured(result: dict[str, Any]) -> None:
    assert [row["key"] for row in result["rows"]] == ["stock", "python"]
    assert result["left_out"] == {}
    for row in result["rows"]:
        series = row.get("starts_ms") or row["round_medians_ms"]
        assert len(series) == 2
        assert min(series) > 0
        assert row["ratio"] > 0


@pytest.mark.timeout(300)
def test_a_whole_life_is_measured() -> None:
    content = json.loads(run("lifecycle", "--hosts", "asyncio", "--json"))
    assert [row["key"] for row in content["rows"]] == ["stock", "asyncio"]
    for row in content["rows"]:
        figures = ("start", "stop", "restart", "interrupt", "lines", "display")
        assert min(row[name] for name in figures) > 0
        assert row["idle"] >= 0


def test_two_versions_are_compared() -> None:
    """Here this one with itself."""
    options = ("--before", sys.executable, "--hosts", "python", "--blocks", "2", "--count", "2")
    command = [sys.executable, str(FOLDER / "compare.py"), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["rows"]
    assert row["key"] == "python"
    assert min(value for name, value in row.items() if name not in {"key", "quartiles"}) > 0


def test_the_machine_is_described_and_not_named(result: dict[str, Any]) -> None:
    facts = result["facts"]
    assert {"cores", "hostkernel", "ipykernel", "pyzmq"} <= facts.keys()
    assert not [value for value in facts.values() if "/" in value or "\\" in value]


def test_the_table_goes_between_the_markers(tmp_path: Path) -> None:
    for file in FOLDER.glob("*.py"):
        (tmp_path / "benchmarks").mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / file.name).write_bytes(file.read_bytes())
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- benchmark: startup -->\nold\n<!-- /benchmark -->\nb\n")
    command = [sys.executable, "benchmarks/startup.py", *SCRIPTS["startup"], "--write"]
    done = subprocess.run(
        [*command, "--hosts"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    table = done.stdout.strip()
    assert "| stock ipykernel |" in table
    expected = f"a\n<!-- benchmark: startup -->\n{table}\n<!-- /benchmark -->\nb\n"
    assert readme.read_text() == expected


def test_what_cannot_run_here_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    content = json.loads(run("startup", "--hosts", "blender-window", "--json"))
    assert [row["key"] for row in content["rows"]] == ["stock"]
    assert content["left_out"] == {"Blender, window": "not on PATH: blender, Xvfb"}


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--hosts", "pyton", "invalid choice: 'pyton'"),
        ("--count", "0", "expected a number, 1 or more, not '0'"),
        ("--count", "many", "expected a number, 1 or more, not 'many'"),
    ],
)
@pytest.mark.parametrize("name", [*SCRIPTS, "lifecycle"])
def test_bad_options_are_refused(name: str, option: str, value: str, error: str) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py"), option, value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert error in done.stderr
