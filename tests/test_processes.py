"""Telling a process from a later one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import UserDict
from typing import TYPE_CHECKING

import psutil

from hostkernel import processes
from hostkernel.processes import alive, current_environment, machine, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_this_process_is_alive() -> None:
    started = start_time(os.getpid())
    assert started is not None
    assert alive(os.getpid(), started)
    assert not alive(os.getpid(), started + 100)


def test_a_process_that_has_ended_is_not_even_if_nobody_has_asked_for_its_status() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_time(child.pid)
    assert started is not None
    assert child.stdin is not None
    child.stdin.close()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert start_time(child.pid) is None
    assert not alive(child.pid, started)
    child.wait()
    assert start_time(child.pid) is None


def test_a_program_may_have_any_name() -> None:
    code = "import sys, pathlib; pathlib.Path('/proc/self/comm').write_text('a) Z (b'); input()"
    if sys.platform != "linux":
        return
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        before = start_time(child.pid)
        while ") Z (" not in psutil.Process(child.pid).name():
            pass
        assert start_time(child.pid) == before is not None


def test_a_pid_that_cannot_be() -> None:
    assert start_time(0) is None
    assert start_time(-1) is None
    assert start_time(2**40) is None


def test_the_other_platforms_way_works_here_too() -> None:
    found = processes._psutil_start_time(os.getpid())
    assert found == psutil.Process().create_time()
    assert processes._psutil_start_time(2**30) is None


def test_the_machine_is_the_same_for_every_process_of_it() -> None:
    code = "from hostkernel.processes import machine; print(machine())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == machine()
    assert "/" in machine() or sys.platform != "linux"


def test_the_environment_while_another_thread_removes_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Changing(UserDict[str, str]):
        def __iter__(self) -> Iterator[str]:
            yield from [*self.data, "REMOVED"]

    monkeypatch.setattr(os, "environ", Changing(KEPT="here"))
    assert current_environment() == {"KEPT": "here"}
