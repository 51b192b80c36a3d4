"""Everything that the tests captured is searched for every key that a kernel of theirs had.

A plugin of pytest, see ``conftest.py``. While the tests run it watches their folders, and learns
the keys from each connection file that appears there, whoever wrote it. At the end it greps what
there is then: the files, which are logs, reports, notebooks and histories, the output of each
program that a test ran, and pytest's own reports with what was printed. A key in any of them,
other than in a connection file, fails the run. Linux only: elsewhere nothing is watched.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST = 16  # characters of a key that cannot be found by chance
# Not ours, large, and without connection files.
PRUNED = ("chromium", "site-packages", "__pycache__")
SMALL = 1 << 16  # bytes that a connection file may have
PORTS = {"shell_port", "iopub_port"}  # two, as tests write files that lack one

# From <sys/inotify.h>
CLOSE_WRITE, MOVED_TO, CREATE, OVERFLOW = 0x8, 0x80, 0x100, 0x4000
ONLYDIR, DONT_FOLLOW, ISDIR = 0x01000000, 0x02000000, 0x40000000
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
EVENT = struct.Struct("iIII")


class Keys:
    """The keys in the connection files that appear below ``folder``, or lie in ``beside``."""

    def __init__(self, folder: Path, beside: Path) -> None:
        self.found: set[str] = set()
        self._folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._watch >= 0, os.strerror(ctypes.get_errno())
        self._blind = ""
        self._folders: dict[int, tuple[Path, bool]] = {}
        self._over, self._over_end = os.pipe()
        self._add(beside, deep=False)
        self._enter(folder)
        self._thread = threading.Thread(target=self._run, name="secrecy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._over_end)
        self._thread.join()
        self._take_events()
        self._enter(self._folder)
        os.close(self._over)
        os.close(self._watch)
        assert not self._blind, f"not everything could be watched: {self._blind}"

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._watch, self._over], [], [])
            if self._over in ready:
                return
            self._take_events()

    def _add(self, folder: Path, *, deep: bool) -> None:
        mask = CLOSE_WRITE | MOVED_TO | CREATE | ONLYDIR | DONT_FOLLOW
        number = self._libc.inotify_add_watch(self._watch, os.fsencode(folder), mask)
        if number >= 0:
            self._folders[number] = folder, deep
        elif (error := ctypes.get_errno()) not in GONE:
            self._blind = f"{folder}: {os.strerror(error)}"

    def _enter(self, folder: Path) -> None:
        """Watch a folder and those below, and read what was there before."""
        self._add(folder, deep=True)  # first: what comes after the listing is told
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            return
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                self._read(Path(entry))
            elif entry.name not in PRUNED:
                self._enter(Path(entry))

    def _take_events(self) -> None:
        try:
            while data := os.read(self._watch, 1 << 16):
                for number, mask, name in _events(data):
                    self._on_event(number, mask, name)
        except BlockingIOError:
            return

    def _on_event(self, number: int, mask: int, name: str) -> None:
        if mask & OVERFLOW:
            self._enter(self._folder)
        folder, deep = self._folders.get(number, (None, False))
        if folder is None or not name:
            return
        if not mask & ISDIR:
            self._read(folder / name)
        elif deep and name not in PRUNED:
            self._enter(folder / name)

    def _read(self, file: Path) -> None:
        content = connection(file)
        secrets = (content.get("key"), content.get("curve_secretkey"))
        self.found.update(
            each for each in secrets if isinstance(each, str) and len(each) >= SHORTEST
        )


def _events(data: bytes) -> Iterator[tuple[int, int, str]]:
    position = 0
    while position < len(data):
        number, mask, _, length = EVENT.unpack_from(data, position)
        position += EVENT.size
        name = data[position : position + length].rstrip(b"\0")
        position += length
        yield number, mask, os.fsdecode(name)


def connection(file: Path) -> dict[str, Any]:
    """What a connection file says, nothing for any other file."""
    try:
        if file.suffix != ".json" or not 0 < file.lstat().st_size < SMALL or file.is_symlink():
            return {}
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) and not PORTS.isdisjoint(content) else {}


def leaks(folder: Path, keys: set[str]) -> list[str]:
    """The files below ``folder`` with a key in them that are no connection files."""
    if not keys:
        return []
    pruned = [f"--exclude-dir={name}" for name in PRUNED]
    done = subprocess.run(
        ["grep", "-rlaF", "--devices=skip", *pruned, "-f", "-", str(folder)],
        input="\n".join(keys),
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode < 2 or done.stdout, done.stderr
    return [name for name in done.stdout.splitlines() if not connection(Path(name))]


class Secrecy:
    """The plugin; with pytest-xdist one in each worker, and one that gathers what they found."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.known = 0
        self._keys: Keys | None = None
        self._folder = Path()
        self._communicate = subprocess.Popen.communicate

    def knows(self, key: str) -> bool:
        """Whether it has come to know a key, which takes it a moment."""
        return self._keys is not None and key in self._keys.found

    def begin(self, folder: Path) -> None:
        if sys.platform != "linux":
            return
        self._folder = folder
        self._captured = folder / "captured"
        self._captured.mkdir()
        self._keys = Keys(folder, Path(tempfile.gettempdir()))
        secrecy, communicate = self, self._communicate

        def remembering(process: Any, *args: Any, **kwargs: Any) -> Any:
            out, err = communicate(process, *args, **kwargs)
            test, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")
            secrecy.remember(test, out, err)
            return out, err

        subprocess.Popen.communicate = remembering  # type: ignore[method-assign]

    def remember(self, test: str, *texts: str | bytes | None) -> None:
        """Keep what was captured in a test."""
        name = re.sub(r"\W+", "-", test)[:200] or "between tests"
        with (self._captured / name).open("ab") as file:
            for text in filter(None, texts):
                file.write(text.encode("utf-8", "replace") if isinstance(text, str) else text)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._keys is not None:
            self.remember(
                report.nodeid, report.longreprtext, *(text for _, text in report.sections)
            )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._keys is not None:
            subprocess.Popen.communicate = self._communicate  # type: ignore[method-assign]
            self._keys.close()
            self.known = len(self._keys.found)
            self.found = leaks(self._folder, self._keys.found)
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["secrecy"] = self.known, self.found
        elif self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        known, found = getattr(node, "workeroutput", {}).get("secrecy", (0, ()))
        self.known += known
        self.found += found

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.found:
            terminalreporter.section("keys of kernels where they must not be", red=True)
            for name in self.found:
                terminalreporter.line(f"SECRET in {name}")
        elif self.known:
            terminalreporter.line(f"{self.known} secrets of kernels, none in what was captured")
