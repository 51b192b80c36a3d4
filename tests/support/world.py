"""The command line, run as a user would in a home of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.runs import SECONDS, environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_HOST = Path(__file__).with_name("odd_host.py")
_MARK = "TEST_FOLDER"


class World:
    """A home with nothing in it, and what was started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = folder / "runtime"
        self.env = environment(folder) | {_MARK: str(folder)}
        self._commands: list[Command] = []

    def run(
        self, *args: str, stdin: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "hostkernel", *args],
            env=self.env | env,
            cwd=self.folder,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def start(
        self, *args: str, python: tuple[str, ...] = ("-m", "hostkernel"), **env: str
    ) -> Command:
        """One command that goes on."""
        number = len(self._commands)
        command = Command(self, self.folder / f"command{number}", (*python, *args), env)
        self._commands.append(command)
        return command

    def odd(self, *args: str, **env: str) -> Command:
        """``run`` of the odd host, in the background; ``args`` as from its settings on."""
        return self.start("run", *odd_options(), *args, **env)

    def run_odd(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """``run`` of the odd host, to its end."""
        return self.run("run", *odd_options(), *args, **env)

    def detach(self, *args: str) -> str:
        """``run --detach``; the kernel's id."""
        result = self.run("run", "--detach", *args)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def exec(self, code: str, *args: str) -> str:
        """What a cell that must succeed printed."""
        result = self.run("exec", "-c", code, *args)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def kernels(self) -> list[dict[str, Any]]:
        """What ``list`` says."""
        kernels: list[dict[str, Any]] = json.loads(self.run("list", "--json").stdout)
        return kernels

    def processes(self) -> Iterator[psutil.Process]:
        """Every process that was started here and still runs."""
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(_MARK) == str(self.folder)
            except psutil.Error:
                continue
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                yield process

    def is_empty(self) -> bool:
        """Whether nothing that was started here is left, neither processes nor files."""
        return not list(self.processes()) and not list(self.runtime.glob("*"))

    def close(self) -> None:
        """End what is left."""
        for process in self.processes():
            process.kill()
        for command in self._commands:
            command.close()


class Command:
    """A command that goes on."""

    def __init__(self, world: World, folder: Path, args: tuple[str, ...], env: dict[str, str]):
        folder.mkdir()
        self.world = world
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *args],
                env=world.env | env,
                cwd=world.folder,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait until it has printed ``text``, anywhere."""

        def printed() -> bool:
            if text in self.stdout + self.stderr:
                return True
            if self.process.poll() is not None and text not in self.stdout + self.stderr:
                pytest.fail(f"it ended without {text!r}:\n{self.stdout}{self.stderr}")
            return False

        wait_for(printed, lambda: f"{text!r} in\n{self.stdout}{self.stderr}")

    def until_up(self) -> dict[str, Any]:
        """Wait until it says that its kernel is up; the kernel."""
        self.until("hostkernel stop ")
        return self.world.kernels()[-1]

    def type(self, text: str) -> None:
        """Type ``text`` into its terminal."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal, and nobody else."""
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.signal(signal.SIGINT)

    def end(self) -> int:
        """The exit status, once it has ended by itself."""
        wait_for(lambda: self.process.poll() is not None, lambda: f"the end of it\n{self.stderr}")
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextmanager
def short_session(world: World) -> Iterator[Path]:
    """The session's folder of ``world`` for once, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory() as name:
        world.env["XDG_RUNTIME_DIR"] = name
        yield Path(name)


def odd_options() -> tuple[str, ...]:
    return ("--host", "odd", "--set", f"plugins.paths=['{ODD_HOST}']")
