"""Real hosts, driven from this process as any Jupyter client would."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from hostkernel.host import current_environment, install_advice, missing_libraries

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
SECONDS = 60.0
# Without a graphics card a window compiles its shaders for eight seconds, unless they are where
# they are for everybody.
_CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
_SHADERS = {"MESA_SHADER_CACHE_DIR": _CACHE}
# The kernel's own word on a loaded machine, where the host's turn may take seconds.
BUSY = "is busy: this cell runs when it is free again."


def wait_for(
    condition: Callable[[], Any],
    what: str | Callable[[], str],
    seconds: float = SECONDS,
    pause: float = 0.05,
) -> Any:
    """Poll every ``pause`` seconds until ``condition`` is true; what it returned.

    ``what`` is a function where it tells what a host has printed by the end of the wait.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(pause)
    pytest.fail(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")


def need(there: T | None, what: str) -> T:
    """Skip where ``what`` is missing; on the build machine nothing may be missing."""
    if there:
        return there
    if os.environ.get("CI"):
        pytest.fail(f"missing: {what}")
    pytest.skip(f"missing: {what}")


# What a program loads, below the folder of its module.
_LOADED = ("__init__*.so", "QtWidgets*.so", "*/plugins/platforms/libqoffscreen.so")


@cache
def _lacking(module: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    names = product(map(Path, folders or ()), _LOADED)
    return missing_libraries(file for folder, name in names for file in folder.glob(name))


def need_module(name: str) -> None:
    """Skip where a module is not installed, or needs shared libraries that are not."""
    need(importlib.util.find_spec(name), f"{name} (pip install)")
    lacking = _lacking(name)
    need(not lacking, f"what {name} needs: {install_advice(lacking).partition(chr(10))[0]}")


class Run:
    """One ``hostkernel run`` in a process and a home of its own."""

    command: tuple[str, ...] = (sys.executable, "-m", "hostkernel", "run")

    def __init__(self, folder: Path, *args: str, **env: str) -> None:
        self.folder = folder
        self.env = environment(folder) | env
        self._log = (folder / "run.log").open("wb")
        self.process = subprocess.Popen(
            [*self.command, *args],
            env=self.env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._clients: list[BlockingKernelClient] = []
        self._family: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return (self.folder / "run.log").read_text(errors="replace")

    def files(self) -> list[Path]:
        """The connection files that are there now."""
        return sorted((self.folder / "runtime").glob("kernel-*.json"))

    def file(self) -> Path:
        """The connection file, waited for while ``run`` lives."""

        def look() -> list[Path]:
            if self.process.poll() is not None and not self.files():
                pytest.fail(f"run ended with {self.process.returncode}:\n{self.output}")
            return self.files()

        return wait_for(look, "a connection file")[0]

    def client(self, seconds: float = SECONDS) -> BlockingKernelClient:
        """A new client that knows the connection file and nothing else; ``seconds`` until ready."""
        client = BlockingKernelClient(connection_file=str(self.file()))
        client.load_connection_file()
        client.start_channels()
        self._clients.append(client)
        client.wait_for_ready(timeout=seconds)
        return client

    def hostkernel(self, *args: str) -> str:
        """Another hostkernel command in the same home, which must succeed; its stdout."""
        result = self.command_line(*args)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def command_line(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Another hostkernel command in the same home, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "hostkernel", *args],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def host_pid(self) -> int:
        """The process that the kernel lives in."""
        [kernel] = json.loads(self.hostkernel("list", "--json"))
        return int(kernel["pid"])

    def end(self) -> int:
        """The exit status, once ``run`` has ended by itself."""
        self._remember()
        wait_for(lambda: self.process.poll() is not None, lambda: f"the end of run\n{self.output}")
        return self.process.returncode

    def interrupt(self) -> int:
        """Press Ctrl-C in ``run``'s terminal; the exit status."""
        self._remember()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.end()

    def _remember(self) -> None:
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self._family.update({child.pid: child for child in children})

    def close(self) -> None:
        """End whatever is left of it."""
        for client in self._clients:
            client.stop_channels()
        try:
            self.interrupt()
        finally:
            self._log.close()
            _, alive = psutil.wait_procs(self._family.values(), timeout=10)
            for process in (*alive, self.process):
                process.kill()
            self.process.wait()


def environment(folder: Path) -> dict[str, str]:
    places = {
        "HOME": "home",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "TMPDIR": "tmp",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "config",
        "XDG_DATA_HOME": "data",
        "XDG_RUNTIME_DIR": "xdg-runtime",
        "XDG_STATE_HOME": "state",
    }
    for place in places.values():
        (folder / place).mkdir(parents=True, exist_ok=True, mode=0o700)
    own = {name: str(folder / place) for name, place in places.items()}
    # ipykernel is another where pytest has started it, and C code where Python does not buffer.
    taken = ("HOSTKERNEL_", "DISPLAY", "WAYLAND_DISPLAY", "PYTEST_CURRENT_TEST", "PYTHONUNBUFFERED")
    rest = {
        name: value for name, value in current_environment().items() if not name.startswith(taken)
    }
    return rest | own | _SHADERS


def run_cell(client: BlockingKernelClient, code: str) -> str:
    """Run a cell that must succeed; its result as text, else what it printed."""
    printed: list[str] = []
    results: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and BUSY not in content["text"]:
            printed.append(content["text"])
        elif message["msg_type"] == "execute_result":
            results.append(content["data"]["text/plain"])

    reply = client.execute_interactive(code, output_hook=collect, timeout=SECONDS)
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
    return "".join(results or printed)
