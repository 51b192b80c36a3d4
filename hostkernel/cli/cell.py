"""Run one cell in a kernel, and print its output in this terminal as it comes."""

from __future__ import annotations

import getpass
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from hostkernel.errors import RequestError
from hostkernel.launch.control import ask, client
from hostkernel.registry import is_reachable

from .failures import FAILED

if TYPE_CHECKING:
    from jupyter_client.blocking import BlockingKernelClient

    from hostkernel.connection import ConnectionInfo

    from .sources import Source

__all__ = ["Collected", "Shown", "run_cell"]

_LOOK = 500  # milliseconds of silence after which to check that the kernel still lives
_SETTLE = 50  # milliseconds of silence that end the output before a question
_CONNECT = 30.0  # seconds to wait for a kernel that lives but does not answer
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_END_OF_FILE = "\x04"
_EXIT = "SystemExit"  # its value is the exit status, if a script exits with one
_INTERRUPTED = 130  # a shell's status for a script that Ctrl-C ended


class Shown:
    """Print a cell's output in this terminal as it comes.

    Attributes:
        has_failed: whether an error was shown. A script that exits with a status shows none.
    """

    has_failed = False

    def stream(self, name: str, text: str) -> None:
        """Write text that the cell printed."""
        stream = sys.stderr if name == "stderr" else sys.stdout
        stream.write(text)
        stream.flush()

    def result(self, data: dict[str, Any]) -> None:
        """Print what the cell returned or displayed, given in several formats."""
        text = data.get("text/plain")
        if text is not None:
            print(text, flush=True)

    def error(self, content: dict[str, Any]) -> None:
        """Print the cell's error."""
        self.has_failed = True
        text = "\n".join(content.get("traceback") or [f"{content['ename']}: {content['evalue']}"])
        coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        print(text if coloured else _COLOURS.sub("", text), file=sys.stderr, flush=True)

    def exited(self, status: int) -> None:
        """Do nothing: the cell ended by ``sys.exit``, and has printed the reason itself."""


class Collected(Shown):
    """Collect the output of cells for a program."""

    def __init__(self) -> None:
        self.printed = {"stdout": "", "stderr": ""}
        self.results: list[dict[str, Any]] = []
        self.failure: dict[str, Any] | None = None

    def stream(self, name: str, text: str) -> None:
        """Keep text that the cell printed."""
        self.printed[name] += text

    def result(self, data: dict[str, Any]) -> None:
        """Keep what the cell returned or displayed, given in several formats."""
        self.results.append(data)

    def error(self, content: dict[str, Any]) -> None:
        """Keep the cell's error."""
        self.has_failed = True
        lines = [_COLOURS.sub("", line) for line in content.get("traceback") or ()]
        self.failure = {
            "name": content["ename"],
            "value": content["evalue"],
            "traceback": "\n".join(lines),
        }

    def exited(self, status: int) -> None:
        """Keep the exit status: the cell ended by ``sys.exit``, and has printed the reason."""
        self.failure = {"name": _EXIT, "value": str(status), "traceback": ""}

    def content(self) -> dict[str, Any]:
        """The collected output, in the form that a program reads."""
        status = "error" if self.failure else "ok"
        return {"status": status, **self.printed, "results": self.results, "error": self.failure}


def run_cell(
    info: ConnectionInfo, source: Source, *, allow_stdin: bool = True, shown: Shown | None = None
) -> int:
    """Run code in a kernel, and return its exit status.

    Ctrl-C interrupts the cell, once it runs; a second Ctrl-C leaves the cell alone and raises.

    Args:
        info: how to reach the kernel.
        source: one cell, including magics, or one script.
        allow_stdin: whether to answer the cell's ``input()`` from this process's standard input.
        shown: receives the cell's output; this terminal by default.

    Raises:
        RequestError: the kernel does not answer, or ended before the cell did.
        KeyboardInterrupt: Ctrl-C twice, or before the cell ran.

    """
    with client(info) as kernel:
        kernel.start_channels(hb=False, control=False)
        cell = _Cell(info, kernel, shown or Shown(), allow_stdin=allow_stdin)
        cell.wait_until_heard()
        reply = cell.run(source)
        while reply["status"] == "aborted":  # by an error in another client's cell before
            reply = cell.run(source)
    return _exit_status(source, reply)


class _Cell:
    def __init__(
        self,
        info: ConnectionInfo,
        kernel: BlockingKernelClient,
        shown: Shown,
        *,
        allow_stdin: bool,
    ) -> None:
        import zmq

        self._info = info
        self._kernel = kernel
        self._shown = shown
        self._allow_stdin = allow_stdin
        self._poller = zmq.Poller()
        self._channels = (kernel.iopub_channel, kernel.stdin_channel, kernel.shell_channel)
        for channel in self._channels:
            self._poller.register(channel.socket, zmq.POLLIN)
        self._request = ""
        self._running = False
        self._interrupted = False
        self._shown_error = False

    def wait_until_heard(self) -> None:
        """Wait for the greeting on IOPub: output sent before it would be lost."""
        deadline = time.monotonic() + _CONNECT
        while not self._kernel.iopub_channel.socket.poll(_LOOK):
            self._check_alive()
            if time.monotonic() > deadline:
                raise RequestError("run the cell", f"no answer within {_CONNECT:g} s")

    def run(self, source: Source) -> dict[str, Any]:
        """Run the cell, follow it to its end, and return its reply."""
        self._request = self._send(source)
        self._running = self._idle = False
        self._reply: dict[str, Any] | None = None
        while self._reply is None or not self._idle:
            try:
                self._turn()
            except KeyboardInterrupt:
                self._interrupt()
        if _has_exited(source, self._reply):
            self._shown.exited(_exit_status(source, self._reply))
        elif self._reply["status"] == "error" and not self._shown_error:
            self._shown.error(self._reply)
        return self._reply

    def _send(self, source: Source) -> str:
        content = {
            "code": source.code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": self._allow_stdin,
            "stop_on_error": False,
        }
        metadata = {} if source.script is None else {"hostkernel": source.script}
        request = self._kernel.session.msg("execute_request", content, metadata=metadata)
        self._kernel.shell_channel.send(request)
        return str(request["header"]["msg_id"])

    def _turn(self) -> None:
        ready = dict(self._poller.poll(_LOOK))
        if not ready:
            self._check_alive()
        for channel in self._channels:
            if channel.socket in ready:
                self._handle(channel.get_msg(timeout=0))

    def _handle(self, message: dict[str, Any]) -> None:
        if message["parent_header"].get("msg_id") == self._request:
            handler = getattr(self, f"_on_{message['msg_type']}", None)
            if handler is not None:
                handler(message["content"])

    def _on_status(self, content: dict[str, Any]) -> None:
        self._running = True
        self._idle = content["execution_state"] == "idle"

    def _on_execute_reply(self, content: dict[str, Any]) -> None:
        self._reply = content

    def _on_stream(self, content: dict[str, Any]) -> None:
        self._shown.stream(content["name"], content["text"])

    def _on_execute_result(self, content: dict[str, Any]) -> None:
        self._shown.result(content["data"])

    _on_display_data = _on_execute_result

    def _on_error(self, content: dict[str, Any]) -> None:
        self._shown_error = True
        self._shown.error(content)

    def _on_input_request(self, content: dict[str, Any]) -> None:
        # Earlier output comes on another socket, and must be read before the question.
        output = self._kernel.iopub_channel
        while output.socket.poll(_SETTLE):
            self._handle(output.get_msg(timeout=0))
        self._kernel.input(_ask_user(content["prompt"], secret=content["password"]))

    def _interrupt(self) -> None:
        if self._interrupted or not self._running:
            raise KeyboardInterrupt
        self._interrupted = True
        ask(self._info, "interrupt")

    def _check_alive(self) -> None:
        if not is_reachable(self._info):
            raise RequestError("finish the cell", "it is gone; its host may have ended or crashed")


def _has_exited(source: Source, reply: dict[str, Any]) -> bool:
    return source.script is not None and reply.get("ename") == _EXIT


def _exit_status(source: Source, reply: dict[str, Any]) -> int:
    if reply["status"] == "ok":
        return 0
    if _has_exited(source, reply) and str(reply["evalue"]).isdecimal():
        return int(reply["evalue"])
    is_script = source.script is not None and "file" in source.script
    return _INTERRUPTED if is_script and reply["ename"] == "KeyboardInterrupt" else FAILED


def _ask_user(prompt: str, *, secret: bool) -> str:
    try:
        return getpass.getpass(prompt) if secret else input(prompt)
    except EOFError:
        return _END_OF_FILE
