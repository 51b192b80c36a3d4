"""Fixtures for tests in real hosts."""

from __future__ import annotations

import importlib.util
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.kinds import KINDS, arguments
from support.runs import SECONDS, Run, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient


@pytest.fixture(scope="module")
def start_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Start ``hostkernel run ARGS`` with the environment ENV; ended with the module."""
    with ExitStack() as runs:

        def start(*args: str, **env: str) -> Run:
            run = Run(tmp_path_factory.mktemp("run"), *args, **env)
            runs.callback(run.close)
            return run

        yield start


@pytest.fixture(scope="module", params=(*KINDS, "window"))
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the hosts that come with hostkernel."""
    return str(request.param)


@pytest.fixture(scope="module")
def each(
    kind: str,
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Run:
    """One host of each kind, for all tests of the module."""
    env = {"DISPLAY": request.getfixturevalue("display")} if kind == "window" else {}
    run = start_run(*arguments(kind, tmp_path_factory.mktemp("program")), **env)
    wait_for(lambda: run.files() or run.process.poll() is not None, "a kernel", 2 * SECONDS)
    return run


@pytest.fixture(scope="module")
def client(each: Run) -> BlockingKernelClient:
    """The module's client of that host, whose window may still have to be drawn."""
    return each.client(2 * SECONDS)


@pytest.fixture(scope="session", autouse=True)
def blenders_own_folders() -> Iterator[None]:
    """Nothing that is done here writes into them, but for what Python itself compiles."""
    before = set(_own_files())
    yield
    assert set(_own_files()) == before


def _own_files() -> Iterator[tuple[str, int]]:
    spec = importlib.util.find_spec("bpy")
    places = [Path("/usr/share/blender"), *([Path(spec.origin).parent] if spec else [])]
    for place in places:
        for folder, _, files in os.walk(place):
            if not folder.endswith("__pycache__"):
                paths = (os.path.join(folder, file) for file in files)  # noqa: PTH118
                yield from ((path, os.lstat(path).st_mtime_ns) for path in paths)
