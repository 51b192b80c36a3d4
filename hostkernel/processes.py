"""Processes of this machine: their identities, and the environment of this one."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

__all__ = [
    "alive",
    "current_environment",
    "is_plain_python",
    "machine",
    "pid_namespace",
    "start_time",
]

_STATE, _START_TIME = 0, 19  # fields of /proc/<pid>/stat, counted after the program's name


def start_time(pid: int) -> float | None:
    """When a process started, None where there is no such process or it has ended.

    The unit is the platform's: clock ticks since boot on Linux, seconds since the epoch
    elsewhere. Compare only with values of the same :func:`machine`.
    """
    return _linux_start_time(pid) if sys.platform == "linux" else _psutil_start_time(pid)


def alive(pid: int, started: float) -> bool:
    """Whether the very process that began at ``started`` still runs under ``pid``."""
    found = start_time(pid)
    return found is not None and abs(found - started) < 1


@cache
def machine() -> str:
    """Where a process id means something: host name, boot and process namespace.

    Containers share a home directory and often a host name, so Linux adds boot id and pid
    namespace. Elsewhere the host name is enough: start times are absolute there.
    """
    parts = [platform.node()]
    if sys.platform == "linux":
        parts += [_boot_id(), pid_namespace()]
    return "/".join(part for part in parts if part)


def pid_namespace() -> str:
    """The namespace in which this process has its id, empty where there are none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def current_environment() -> dict[str, str]:
    """A copy of this process's environment, which other threads may change meanwhile.

    ``dict(os.environ)`` raises KeyError if a variable is removed between its name and its value.
    """
    found = ((name, os.environ.get(name)) for name in os.environ)
    return {name: value for name, value in found if value is not None}


def is_plain_python() -> bool:
    """Whether this process is Python's own program, not an application with Python inside."""
    program = Path((*sys.orig_argv, "")[0]).name.lower()
    return program.startswith(("python", "pypy"))


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _linux_start_time(pid: int) -> float | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The program's name stands in parentheses and may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in "ZX" else float(fields[_START_TIME])


def _psutil_start_time(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else float(process.create_time())
    except psutil.Error:
        return None
