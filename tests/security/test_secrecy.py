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
import subprocess, sys, pytest
from hosts.runs import wait_for
from hostkernel.connection import ConnectionInfo

@pytest.fixture
def info(request, tmp_path):
    folder = tmp_path / "deep" / "down"
    info = ConnectionInfo.fresh(encrypted=True)
    info.write(folder / "kernel-1.json")
    knows = request.config.pluginmanager.get_plugin("secrecy").knows
    wait_for(lambda: knows(key(info)) and knows(secret(info)), "the watcher")
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


@pytest.fixture
def suite() -> Iterator[Path]:
    """Not below the folder that is searched when these very tests have ended."""
    with tempfile.TemporaryDirectory(prefix="secrecy-") as name:
        suite = Path(name, "suite")
        suite.mkdir()
        (suite / "conftest.py").write_text((TESTS / "conftest.py").read_text())
        yield suite


def run(suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "."],
        cwd=suite,
        env=env | {"PYTHONPATH": str(TESTS), "TMPDIR": str(suite.parent)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="watched on Linux only")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_key_is_found_and_not_shown(suite: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    (suite / "test_clean.py").write_text(SUITE)
    done = run(suite, *workers)
    assert done.returncode == 0, done.stdout
    assert "2 secrets of kernels, none in what was captured" in done.stdout

    tests = [f"def test_{name}(info, tmp_path):\n    {line}\n" for name, line in LEAKS.items()]
    (suite / "test_leaks.py").write_text(SUITE + "\n".join(tests))
    done = run(suite, *workers, "--tb=line", "--show-capture=no")
    assert done.returncode == 1, done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("SECRET in ")]
    for name in LEAKS:
        assert [line for line in told if f"test_{name}" in line], f"{name}\n{done.stdout}"
    assert len(told) == len(LEAKS)
