"""Hosts that live as long as a test module, told from here what to do."""

from __future__ import annotations

import json
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from support.runs import BUSY, SECONDS, Run, wait_for

MODES = ("pumped", "shared", "served", "thread")


class RaisedError(Exception):
    """The host raised; ``name`` is the exception's class."""

    def __init__(self, name: str, text: str, traceback: str) -> None:
        super().__init__(f"{name}: {text}\n{traceback}")
        self.name = name
        self.text = text


@dataclass
class Reply:
    """What a client saw of one cell."""

    status: str
    ename: str | None
    text: str
    content: dict[str, Any]
    messages: list[dict[str, Any]]


class Answer:
    """What the host will say to an order."""

    def __init__(self, host: LiveHost, number: int) -> None:
        self._host = host
        self._number = number

    @property
    def here(self) -> bool:
        """Whether it has come."""
        return self._host.has_answer(self._number, 0)

    def value(self) -> Any:
        """Wait for it."""
        answer = self._host.answer(self._number)
        if "error" in answer:
            raise RaisedError(answer["error"], answer["text"], answer["traceback"])
        return answer.get("value")


class LiveHost(Run):
    """A ``live_program.py`` in a process and a home of its own."""

    program = Path(__file__).with_name("live_program.py")
    # What stock ipykernel and IPython warn of in good order stays a warning.
    warnings = (
        "error",
        "default:To exit:UserWarning",
        "ignore:For consistency across implementations:PendingDeprecationWarning",
    )
    quick = (
        sys.executable,
        *(word for warning in warnings for word in ("-W", warning)),
        str(program),
    )
    command = (sys.executable, "-X", "dev", *quick[1:])

    def __init__(self, folder: Path, mode: str, *, dev: bool = True, **env: str) -> None:
        if not dev:  # Python's development mode multiplies what a start takes
            self.command = self.quick
            env["PYTHONFAULTHANDLER"] = "1"  # which is a part of that mode
        self.mode = mode
        self._orders = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._buffer = b""
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.rcvhwm = 0  # a slow subscriber loses messages beyond that
        path = folder / "s"
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen()
            door.settimeout(SECONDS)
            # The development mode also checks each allocation for what only C code does to it.
            own = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONMALLOC": "pymalloc"}
            super().__init__(folder, mode, str(path), **own | env)
            self._line, _ = door.accept()

    # Orders

    def post(self, code: str, where: str = "main") -> Answer:
        """Have code run on the main thread, or ``beside`` it."""
        self._orders += 1
        order = {"number": self._orders, "code": code, "where": where}
        self._line.settimeout(SECONDS)
        self._line.sendall(json.dumps(order).encode() + b"\n")
        return Answer(self, self._orders)

    def do(self, code: str, where: str = "main") -> Any:
        """Like :meth:`post`; wait, and give the value of the last expression."""
        return self.post(code, where).value()

    def beside(self, code: str) -> Any:
        """Run code in another thread of the host."""
        return self.do(code, "beside")

    def raises(self, code: str, where: str = "main") -> RaisedError:
        """What the host raises at this."""
        try:
            value = self.do(code, where)
        except RaisedError as error:
            return error
        message = f"nothing was raised; the value is {value!r}"
        raise AssertionError(message)

    def has_answer(self, number: int, seconds: float) -> bool:
        self._line.settimeout(seconds or 0.001)
        while number not in self._answers:
            try:
                received = self._line.recv(1 << 20)
            except TimeoutError:
                return False
            assert received, f"the host has gone:\n{self.output}"
            *lines, self._buffer = (self._buffer + received).split(b"\n")
            for answer in map(json.loads, lines):
                self._answers[answer["number"]] = answer
        return True

    def answer(self, number: int) -> dict[str, Any]:
        assert self.has_answer(number, SECONDS), f"no answer:\n{self.output}"
        return self._answers.pop(number)

    # The kernel

    def start(self, make: str = "") -> None:
        """Start a kernel on the main thread; ``make`` are arguments of the program's make()."""
        self.do(f"manager = make({make})")
        if self.mode != "served":
            self.do("manager.start()")
            return
        self.serving = self.post("manager.serve()")
        wait_for(lambda: self.serving.here or self.running, "a kernel that serves", pause=0.002)

    def stop(self) -> list[str]:
        """Stop it from where a host would; what was left."""
        where = "beside" if self.mode == "served" else "main"
        left: list[str] = self.do("list(manager.stop().left)", where)
        self.wait_stopped()
        return left

    def wait_stopped(self) -> None:
        wait_for(lambda: self.beside("manager.state.value") == "idle", "the end of the kernel")
        if self.mode == "served":
            self.serving.value()

    @property
    def running(self) -> bool:
        return bool(self.beside("manager.is_running"))

    def file(self) -> Path:
        return Path(self.beside("str(manager.connection_file)"))

    def quick_client(self) -> BlockingKernelClient:
        """A client that shares its context with others, back once it hears the kernel."""
        client = quick_client(self.file(), self._context)
        self._clients.append(client)
        return client

    def drop_clients(self) -> None:
        """The clients go away, without a word."""
        while self._clients:
            self._clients.pop().stop_channels()

    def close(self) -> None:
        self.drop_clients()
        try:
            if self.process.poll() is None:
                self.beside("manager.request_stop('the end of the tests')")
            self._line.close()
            wait_for(lambda: self.process.poll() is not None, "the host's end", 10)
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
            self._context.term()
            super().close()


def quick_client(
    file: Path, context: zmq.Context[Any], seconds: float = SECONDS
) -> BlockingKernelClient:
    """A client on sockets of ``context``, without heartbeat, back once it hears the kernel."""
    client = BlockingKernelClient(connection_file=str(file), context=context)
    client.load_connection_file()
    client.start_channels(hb=False)
    while client.get_iopub_msg(timeout=seconds)["msg_type"] != "iopub_welcome":
        pass
    return client


def cell(client: BlockingKernelClient, code: str, **how: Any) -> Reply:
    """Run a cell; what came back."""
    return finish(client, client.execute(code, **how))


def finish(client: BlockingKernelClient, request: str) -> Reply:
    """Wait for the reply to a request and all of its output."""
    messages = []
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") != request:
            continue
        messages.append(message)
        content = message["content"]
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            break
    reply = client.get_shell_msg(timeout=SECONDS)
    while reply["parent_header"].get("msg_id") != request:
        reply = client.get_shell_msg(timeout=SECONDS)
    content = reply["content"]
    texts = [_text(message["content"]) for message in messages]
    return Reply(content["status"], content.get("ename"), "".join(texts), content, messages)


def _text(content: dict[str, Any]) -> str:
    if BUSY in content.get("text", ""):
        return ""
    return content.get("text") or content.get("data", {}).get("text/plain") or ""


def value(client: BlockingKernelClient, code: str) -> str:
    """Run a cell that must succeed; its text."""
    reply = cell(client, code)
    assert reply.status == "ok", "\n".join(reply.content["traceback"])
    return reply.text


def busy(client: BlockingKernelClient, code: str) -> str:
    """Begin a cell; back once it says ``started``. It must print that."""
    request = client.execute(code)
    wait_started(client, request)
    return request


def wait_started(client: BlockingKernelClient, request: str) -> None:
    """Wait until a cell that was asked for says ``started``."""
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") != request:
            continue
        assert message["msg_type"] != "error", message["content"]
        if "started" in (message["content"].get("text") or ""):
            return


def control(client: BlockingKernelClient, kind: str, **content: Any) -> dict[str, Any]:
    """Send a control request; the content of its reply."""
    message = client.session.msg(kind, content)
    client.control_channel.send(message)
    request = message["header"]["msg_id"]
    while True:
        reply = client.get_control_msg(timeout=SECONDS)
        if reply["parent_header"].get("msg_id") == request:
            found: dict[str, Any] = reply["content"]
            return found


# From the thread that takes the requests, which seldom has something to say.
PUBLISH = """
import threading
kernel, published = get_ipython().kernel, threading.Event()
def publish():
    kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": ""})
    published.set()
kernel.shell_channel_thread.io_loop.add_callback(publish)
published.wait(20)
"""


def warm_up(client: BlockingKernelClient) -> None:
    """Have made what is made once: the debugger, and a pipe to iopub for each of the threads."""
    assert cell(client, "import time; print(1); time.sleep(0.5)").status == "ok"
    control(client, "debug_request", type="request", seq=1, command="debugInfo", arguments={})
    assert cell(client, PUBLISH).text == "True"
