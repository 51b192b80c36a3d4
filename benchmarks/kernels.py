"""Kernels to measure: each in a process and a home of its own, asked as any client asks."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.client import KernelClient
from jupyter_client.connect import write_connection_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["CONTENDERS", "ROOT", "Contender", "Kernel", "Lab", "available"]

Ends = dict[zmq.Socket[bytes], tuple[str, str | None]]
"""The message on each socket, by type and state or status, that ends a request."""

ROOT = Path(__file__).resolve().parents[1]
_FILE = "CONNECTION_FILE"
_PATIENCE = 120.0  # seconds for a host to come up, or for a cell to be answered
_HOMES = (
    "HOME",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)


def _binding() -> str | None:
    installed = any(map(importlib.util.find_spec, ("PySide6", "PyQt6", "PyQt5")))
    return None if installed else "no Qt binding is installed"


def _program(*names: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [name for name in names if shutil.which(name) is None]
        return f"not on PATH: {', '.join(absent)}" if absent else None

    return missing


@dataclass(frozen=True)
class Contender:
    """One way to run a kernel.

    Attributes:
        key: what ``--hosts`` calls it.
        title: its name in the tables.
        argv: Python's arguments; the connection file takes the place of ``CONNECTION_FILE``.
        windowed: it needs a screen.
        own_start: the command line of the host alone, to which a script is added; none where
            the host is the process that hostkernel runs in.
        lacks: why it cannot run here, None if it can.
    """

    key: str
    title: str
    argv: tuple[str, ...]
    windowed: bool = False
    own_start: tuple[str, ...] = ()
    lacks: Callable[[], str | None] = lambda: None


def _run(*args: str) -> tuple[str, ...]:
    return ("-m", "hostkernel", "run", "-f", _FILE, *args)


_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_PORTS = range(20_000, 32_000)
_NAIVE = str(Path(__file__).with_name("one_turn_per_tick.py"))
_WINDOW = str(ROOT / "examples" / "qt_window.py")
_IN_BACKGROUND = ("--host", "blender", "--set", "hosts.blender.background=true")

CONTENDERS = (
    Contender("stock", "stock ipykernel", ("-m", "ipykernel_launcher", "-f", _FILE)),
    Contender("python", "plain Python", _run("--host", "python")),
    Contender("qt", "Qt, offscreen", _run("--host", "qt", _WINDOW), lacks=_binding),
    Contender(
        "blender-background",
        "Blender, `--background`",
        _run(*_IN_BACKGROUND),
        own_start=("blender", "--background"),
        lacks=_program("blender"),
    ),
    Contender(
        "blender-window",
        "Blender, window",
        _run("--host", "blender"),
        windowed=True,
        own_start=("blender",),
        lacks=_program("blender", "Xvfb"),
    ),
    Contender("naive", "for comparison: one loop turn per 1 ms", (_NAIVE, _FILE)),
)


def available(
    wanted: Sequence[str], contenders: Sequence[Contender] = CONTENDERS
) -> tuple[list[Contender], dict[str, str]]:
    """The contenders that can run here, and why the others cannot, by title.

    Args:
        wanted: keys; stock is always there, to compare with.
        contenders: to choose from.
    """
    chosen = [item for item in contenders if item.key in {"stock", *wanted}]
    reasons = {item.title: item.lacks() for item in chosen}
    left_out = {title: reason for title, reason in reasons.items() if reason}
    return [item for item in chosen if item.title not in left_out], left_out


def _cell(code: str) -> dict[str, object]:
    return {"code": code, "silent": False, "store_history": True, "allow_stdin": False}


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has, of those that the system gives to nobody else until they are used."""
    free: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as door, suppress(OSError):
            door.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            break
    return free


class Kernel:
    """A kernel that is starting, and a client of it.

    Attributes:
        began: when its process was started, on the performance counter.
    """

    def __init__(self, argv: Sequence[str], file: Path, env: dict[str, str], log: Path) -> None:
        ports = dict(zip(_CHANNELS, _free_ports(len(_CHANNELS)), strict=True))
        write_connection_file(str(file), **ports)
        self._log = log
        self._context: zmq.Context[Any] = zmq.Context()
        # Its ports refuse until it is up: ask for them more often than every 100 ms.
        self._context.setsockopt(zmq.RECONNECT_IVL, 1)
        self._context.setsockopt(zmq.RCVHWM, 0)
        client = KernelClient(connection_file=str(file), context=self._context)
        client.load_connection_file()
        self._session = client.session
        command = [sys.executable, *(str(file) if part == _FILE else part for part in argv)]
        self.began = time.perf_counter()
        self.process = _spawn(command, env, log)
        self._shell: zmq.Socket[bytes] = client.connect_shell()
        self._iopub: zmq.Socket[bytes] = client.connect_iopub()
        self._control: zmq.Socket[bytes] = client.connect_control()

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def answered(self) -> float:
        """Wait for the first reply to kernel_info; seconds since the process was started."""
        self._request("kernel_info_request", {}, {self._shell: ("kernel_info_reply", None)})
        return time.perf_counter() - self.began

    def round_trip(self, code: str = "pass") -> float:
        """Run a cell; seconds until both its reply and "idle" are there."""
        ends: Ends = {self._shell: ("execute_reply", "ok"), self._iopub: ("status", "idle")}
        began = time.perf_counter()
        self._request("execute_request", _cell(code), ends)
        return time.perf_counter() - began

    def interrupt(self, *, by_signal: bool = False) -> float:
        """Seconds from an interrupt of ``sleep(100)`` to the reply.

        Args:
            by_signal: by SIGINT, as a manager interrupts a stock kernel.
        """
        asked = self._send(self._shell, "execute_request", _cell("import time; time.sleep(100)"))
        self._wait(asked, {self._iopub: ("execute_input", None)})
        time.sleep(0.3)  # it sleeps by now
        began = time.perf_counter()
        if by_signal:
            self.process.send_signal(signal.SIGINT)
        else:
            self._send(self._control, "interrupt_request", {})
        self._wait(asked, {self._shell: ("execute_reply", "error")})
        seconds = time.perf_counter() - began
        self._wait(asked, {self._iopub: ("status", "idle")})
        return seconds

    def restart(self) -> float:
        """Seconds from the request for a restart in place to kernel_info of the fresh kernel."""
        began = time.perf_counter()
        self._send(self._control, "shutdown_request", {"restart": True})
        self._wait(None, {self._iopub: ("status", "starting")})
        self._request("kernel_info_request", {}, {self._shell: ("kernel_info_reply", None)})
        return time.perf_counter() - began

    def _request(self, kind: str, content: dict[str, object], ends: Ends) -> None:
        self._wait(self._send(self._shell, kind, content), ends)

    def _send(self, socket: zmq.Socket[bytes], kind: str, content: dict[str, object]) -> str:
        return str(self._session.send(socket, kind, content)["header"]["msg_id"])

    def _wait(self, request: str | None, ends: Ends) -> None:
        missing = dict(ends)
        poller = zmq.Poller()
        for end in missing:
            poller.register(end, zmq.POLLIN)
        deadline = time.monotonic() + _PATIENCE
        while missing:
            ready = poller.poll(500)
            for end, _ in ready:
                if self._is(end, request, *ends[end]):
                    missing.pop(end, None)
            if not ready:
                self._check(f"{ends[next(iter(missing))]}", deadline)

    def _is(
        self, socket: zmq.Socket[bytes], request: str | None, kind: str, state: str | None
    ) -> bool:
        _, message = self._session.recv(socket, mode=0)
        parent = message["parent_header"].get("msg_id")
        if request not in {None, parent} or message["msg_type"] != kind:
            return False
        content = message["content"]
        return state in {None, content.get("execution_state"), content.get("status")}

    def _check(self, kind: str, deadline: float) -> None:
        if self.process.poll() is None and time.monotonic() < deadline:
            return
        state = f"status {self.process.returncode}" if self.process.returncode else "silent"
        raise SystemExit(f"no {kind} ({state}):\n{self.output}")

    def close(self) -> None:
        """End it."""
        self._shell.close(linger=0)
        self._iopub.close(linger=0)
        self._control.close(linger=0)
        self._context.term()
        _end(self.process)


class Lab:
    """A home for the kernels, and a screen for those that need one. From :meth:`open`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._count = 0
        self._display: str | None = None
        for name in _HOMES:
            (folder / name).mkdir(mode=0o700)

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Lab]:
        """A lab; all it has is gone afterwards."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hostkernel-bench-"))
            yield cls(Path(folder), stack)

    @contextmanager
    def kernel(self, contender: Contender) -> Iterator[Kernel]:
        """A fresh kernel of ``contender``."""
        self._count += 1
        file = self._folder / f"kernel-{self._count}.json"
        kernel = Kernel(contender.argv, file, self._env(contender), self._folder / "log")
        try:
            yield kernel
        finally:
            kernel.close()

    def own_start(self, contender: Contender, script: Path) -> float:
        """Seconds until ``script``, run in the host without a kernel, writes to $MARKER."""
        reader, writer = os.pipe()
        env = {**self._env(contender), "MARKER": str(writer)}
        began = time.perf_counter()
        command = (*contender.own_start, "--python", str(script))
        process = _spawn(command, env, self._folder / "log", writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as marker:
            if not marker.read(1):
                raise SystemExit((self._folder / "log").read_text(errors="replace"))
            seconds = time.perf_counter() - began
        _end(process)
        return seconds

    def python(self, *args: str) -> str:
        """Run a program here; what it printed."""
        command = [sys.executable, *args]
        env = self._env(CONTENDERS[0])
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    @property
    def env(self) -> dict[str, str]:
        """The environment of kernels without a window."""
        return self._env(CONTENDERS[0])

    def _env(self, contender: Contender) -> dict[str, str]:
        homes = {name: str(self._folder / name) for name in _HOMES}
        # Compiled files may be written and used, and nothing is configured.
        taken = ("PYTHON", "HOSTKERNEL_", "WAYLAND_DISPLAY", "DISPLAY", "VIRTUAL_ENV")
        rest = {name: value for name, value in os.environ.items() if not name.startswith(taken)}
        # In an environment Blender's start would differ from the one that its adapter makes.
        folders = rest.get("PATH", os.defpath).split(os.pathsep)
        outside = [folder for folder in folders if Path(folder).parent != Path(sys.prefix)]
        env = {**rest, **homes, "QT_QPA_PLATFORM": "offscreen", "PATH": os.pathsep.join(outside)}
        return {**env, "DISPLAY": self._screen()} if contender.windowed else env

    def _screen(self) -> str:
        if self._display is None:
            self._display = self._stack.enter_context(_screen())
        return self._display


@contextmanager
def _screen() -> Iterator[str]:
    reader, writer = os.pipe()
    screen = (
        "Xvfb",
        "-displayfd",
        str(writer),
        "-screen",
        "0",
        "1280x800x24",
        "-nolisten",
        "tcp",
        "-noreset",
    )
    server = _spawn(screen, dict(os.environ), Path(os.devnull), writer)
    os.close(writer)
    try:
        with os.fdopen(reader) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        _end(server)


def _spawn(
    command: Sequence[str], env: dict[str, str], log: Path, *descriptors: int
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
