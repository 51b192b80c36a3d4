"""Runs all cases at once: each target in a thread of its own, one case after another."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

import pytest
from jupyter_core.utils import ensure_event_loop
from parity.targets import STOCK, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from parity.case import Case

Lines: TypeAlias = "tuple[str, ...]"


class Recordings:
    """What each target made of each case, as soon as it is there.

    Args:
        wanted: the targets and the cases that they run.
    """

    def __init__(self, wanted: dict[str, list[Case]], folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._futures: dict[tuple[str, str], Future[Lines]] = {
            (target, case.name): Future() for target, cases in wanted.items() for case in cases
        }
        self._threads = [
            threading.Thread(target=self._run, args=(target, cases), name=f"parity in {target}")
            for target, cases in wanted.items()
        ]
        for thread in self._threads:
            thread.start()

    def of(self, case: Case, target: str) -> Lines:
        """Wait for a recording."""
        return self._futures[target, case.name].result()

    def close(self) -> None:
        """End the targets, also before they are through."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str, cases: Iterable[Case]) -> None:
        with ExitStack() as stack:
            # jupyter_client makes one for each thread and leaves it open.
            stack.callback(lambda: ensure_event_loop().close())
            target = make(name, self._folder)
            stack.callback(target.close)
            for case in cases:
                if self._over.is_set():
                    return
                future = self._futures[name, case.name]
                try:
                    future.set_result(target.record(case))
                except BaseException as error:
                    target.abandon()
                    future.set_exception(error)


@pytest.fixture(scope="module")
def recordings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recordings]:
    """What the selected tests of the module need."""
    wanted: dict[str, list[Case]] = {STOCK: []}
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == request.path and "case" in parameters:
            case, target = parameters["case"], parameters["target"]
            wanted.setdefault(target, []).append(case)
            if case not in wanted[STOCK]:
                wanted[STOCK].append(case)
    recordings = Recordings(wanted, lambda: tmp_path_factory.mktemp("parity"))
    yield recordings
    recordings.close()
