"""The debugger: nothing of it is in the host until a client debugs, and then it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hosts.runs import SECONDS, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from kernel.programs import Program

CODE = "here = 1\nthere = here + 1\nthere"


class Debugging:
    """A client that debugs, as JupyterLab does."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self._number = 0

    def send(self, command: str, **arguments: Any) -> str:
        self._number += 1
        content = {
            "type": "request",
            "seq": self._number,
            "command": command,
            "arguments": arguments,
        }
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        return str(message["header"]["msg_id"])

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        identity = self.send(command, **arguments)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            reply = self.client.get_control_msg(timeout=SECONDS)
            if reply["parent_header"]["msg_id"] == identity:
                content: dict[str, Any] = reply["content"]
                assert content.get("success"), content
                return dict(content.get("body") or {})
        pytest.fail(f"no reply to {command}")

    def event(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                return dict(message["content"]["body"])
        pytest.fail(f"no event {name}")


def features(client: BlockingKernelClient) -> list[str]:
    client.kernel_info()
    return list(client.get_shell_msg(timeout=SECONDS)["content"]["supported_features"])


def test_a_cell_stops_at_its_breakpoint(program: Callable[..., Program]) -> None:
    client = program("hostkernel.serve()").client()
    loaded = "import sys; [name for name in sys.modules if name.startswith(('debugpy', 'pydevd'))]"
    assert run_cell(client, loaded) == "[]"
    assert "debugger" in features(client)
    debugging = Debugging(client)
    debugging.ask("debugInfo")
    debugging.ask("initialize", clientID="test", adapterID="", pathFormat="path")
    # Answered only once the configuration is done.
    debugging.send("attach")
    path = debugging.ask("dumpCell", code=CODE)["sourcePath"]
    debugging.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])
    debugging.ask("configurationDone")
    client.execute(CODE)
    thread = debugging.event("stopped")["threadId"]
    frame = debugging.ask("stackTrace", threadId=thread)["stackFrames"][0]
    assert (frame["line"], frame["source"]["path"]) == (2, path)
    debugging.ask("continue", threadId=thread)
    assert client.get_shell_msg(timeout=SECONDS)["content"]["status"] == "ok"
