"""The search for keys in what the tests captured finds them, wherever they are."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
# The file is there for a moment, as a kernel's is, and gone when the session ends.
SUITE = """
import subprocess, sys, time, pytest
from hostkernel.connection import ConnectionInfo

@pytest.fixture
def info(request, tmp_path):
    folder = tmp_path / "deep" / "down"
    info = ConnectionInfo.fresh(encrypted=True)
    info.write(folder / "kernel-1.json")
    knows = request.config.pluginmanager.get_plugin("secrecy").knows
    while not (knows(key(info)) and knows(secret(info))):
        time.sleep(0.01)
    (folder / "kernel-1.json").unlink()
    return info

def key(info): return info.key.get_secret_value()
def secret(info): return info.curve_secretkey.get_secret_value()

def test_clean(info, tmp_path):
    print(info, info.to_json())
    info.write(tmp_path / "kernel-2.json")
    (tmp_path / "run.log").write_text(repr(info))
"""
LEAKS = {
    "log": '(tmp_path / "run.log").write_text("x" * 9999 + key(info))',
    "binary": '(tmp_path / "history").write_bytes(bytes(99) + secret(info).encode())',
    "printed": "print(secret(info))",
    "program": 'subprocess.check_output([sys.executable, "-c", f"print({key(info)!r})"])',
    "logged": 'import logging; logging.warning("key %s", key(info))',
    "failed": 'assert key(info) == ""',
}


both = pytest.mark.parametrize(
    "workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"]
)


@pytest.fixture
def suite() -> Iterator[Path]:
    """Not below the folder that is searched when these very tests have ended."""
    with tempfile.TemporaryDirectory(prefix="secrecy-") as name:
        suite = Path(name, "suite")
        suite.mkdir()
        (suite / "conftest.py").write_text((TESTS / "conftest.py").read_text())
        yield suite


def run(suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest, without the plugins that happen to be installed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(TESTS),
        "TMPDIR": str(suite.parent),
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "."],
        cwd=suite,
        env=env | own,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(autouse=True)
def watched() -> None:
    if sys.platform != "linux":
        pytest.skip("watched on Linux only")


def test_a_clean_run_passes(suite: Path) -> None:
    (suite / "test_clean.py").write_text(SUITE)
    done = run(suite)
    assert done.returncode == 0, done.stdout
    assert "2 secrets of kernels, none in what was captured" in done.stdout


@both
def test_a_key_is_found_wherever_it_is(suite: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    tests = [f"def test_{name}(info, tmp_path):\n    {line}\n" for name, line in LEAKS.items()]
    (suite / "test_leaks.py").write_text(SUITE + "\n".join(tests))
    done = run(suite, *workers, "--tb=line", "--show-capture=no")
    assert done.returncode == 1, done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("SECRET in ")]
    for name in LEAKS:
        assert [line for line in told if f"test_{name}" in line], f"{name}\n{done.stdout}"
    assert len(told) == len(LEAKS)


@both
def test_a_run_in_which_only_a_key_was_told_fails(suite: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    test = f"def test_log(info, tmp_path):\n    {LEAKS['log']}\n"
    (suite / "test_leaks.py").write_text(SUITE + test)
    done = run(suite, *workers)
    assert "2 passed" in done.stdout
    assert done.returncode == 1
