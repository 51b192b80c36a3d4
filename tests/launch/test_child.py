"""A process of its own: its output, its tail, its end; and the report that is read meanwhile."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.world import wait_for

from hostkernel import processes
from hostkernel.launch.bootstrap import Report
from hostkernel.launch.child import Child, describe_status
from hostkernel.launch.report import Process, StartReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def python() -> Iterator[Callable[..., Child]]:
    """Start a Python that runs CODE; ended with the test."""
    children: list[Child] = []

    def start(code: str, log: Path | None = None) -> Child:
        children.append(Child((sys.executable, "-c", code), os.environ, log=log))
        return children[-1]

    yield start
    for child in children:
        child.end()


def ended(child: Child) -> int | None:
    wait_for(lambda: child.status is not None, "the end of the child")
    return child.status


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "status 0"),
        (7, "status 7"),
        (-11, "signal SIGSEGV"),
        (-64, "signal"),
        (-99, "signal 99"),
    ],
)
def test_statuses_in_words(status: int, words: str) -> None:
    assert describe_status(status).startswith(words)


def test_the_last_lines_are_kept(python: Callable[..., Child]) -> None:
    child = python("for n in range(200): print('line', n)\nprint('no end', end='')")
    assert ended(child) == 0
    assert child.last_output() == (*(f"line {n}" for n in range(151, 200)), "no end")


def test_a_progress_display_without_newlines_does_not_grow(python: Callable[..., Child]) -> None:
    child = python("for n in range(1000): print(n, end='\\r')\nprint('x' * 1_000_000, end='')")
    assert ended(child) == 0
    assert child.last_output()[0] == "951"
    assert len(child.last_output()[-1]) < 100_000


def test_output_that_is_no_text(python: Callable[..., Child]) -> None:
    child = python("import os; os.write(1, b'\\xff\\n')")
    ended(child)
    assert child.last_output() == ("\N{REPLACEMENT CHARACTER}",)


def test_a_log_is_appended_to(python: Callable[..., Child], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    child = python("import sys; print('out'); print('err', file=sys.stderr)", log)
    ended(child)
    assert set(child.last_output()) == {"before", "out", "err"}


def test_it_has_a_session_of_its_own(python: Callable[..., Child]) -> None:
    child = python("input()\n")
    assert os.getsid(child.pid) == child.pid
    ended(child)
    assert "EOFError" in child.last_output()[-1]


def test_the_end_of_a_whole_family(python: Callable[..., Child]) -> None:
    child = python(
        "import subprocess, sys; sub = subprocess.Popen([sys.executable, '-c', 'while 1: pass']);"
        "print(sub.pid, flush=True); sub.wait()"
    )
    wait_for(lambda: child._tail, "the pid of the grandchild")
    grandchild = int(child.last_output()[0])
    started = processes.start_time(grandchild)
    assert started is not None
    child.end()
    assert child.status == -signal.SIGTERM
    assert not processes.alive(grandchild, started)
    assert not child.has_group
    child.end()


def test_the_end_of_what_ignores_being_asked(python: Callable[..., Child]) -> None:
    child = python(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True)\nwhile True: signal.pause()"
    )
    wait_for(lambda: child._tail, "its readiness")
    child.end()
    assert child.status == -signal.SIGKILL


# The report


@pytest.fixture
def report(tmp_path: Path) -> StartReport:
    return StartReport(tmp_path / "report.jsonl")


def add(report: StartReport, text: str) -> None:
    with report.file.open("a") as stream:
        stream.write(text)
    report.poll()


def test_a_report_that_is_not_there_yet(report: StartReport) -> None:
    report.poll()
    assert not report.began


def test_half_a_line_is_read_when_it_is_whole(report: StartReport) -> None:
    add(report, '{"event": "step", "st')
    assert report.step is None
    add(report, 'ep": "one"}\n{"event": "step", "step": "two"}\n{"ev')
    assert report.step == "two"
    add(report, 'ent": "ready", "kernel_id": "k", "connection_file": "/f"}\n')
    assert report.ready is not None
    assert report.ready.kernel_id == "k"


def test_who_the_host_is(report: StartReport) -> None:
    Report(str(report.file)).begin()
    report.poll()
    assert report.began
    assert report.process == Process(os.getpid(), processes.start_time(os.getpid()) or 0)
    assert report.process.is_alive


def test_a_pid_of_another_namespace_means_nothing_here(
    report: StartReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    Report(str(report.file)).begin()
    monkeypatch.setattr(processes, "pid_namespace", lambda: "pid:[1]")
    report.poll()
    assert report.began
    assert report.process is None
