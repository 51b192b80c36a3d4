"""A client that debugs, as JupyterLab does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support.runs import SECONDS

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient


class Debugging:
    """Requests and events of the Debug Adapter Protocol, through a kernel's control channel."""

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
        """Send a request; the body of its reply, which must be a success."""
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
        """Wait for an event; its body."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                return dict(message["content"]["body"])
        pytest.fail(f"no event {name}")

    def attach(self) -> None:
        """What happens when somebody presses the button with the bug."""
        self.ask("debugInfo")
        self.ask("initialize", clientID="test", adapterID="", pathFormat="path")
        # Answered only once the configuration is done.
        self.send("attach")
        self.ask("configurationDone")

    def break_in(self, code: str, line: int) -> str:
        """Set a breakpoint in a cell that is still to be run; the file that stands for it."""
        path = str(self.ask("dumpCell", code=code)["sourcePath"])
        self.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": line}])
        return path

    def stopped(self) -> tuple[int, dict[str, Any]]:
        """Wait until a thread stops; its number, and the frame that it is in."""
        thread = self.event("stopped")["threadId"]
        return thread, self.ask("stackTrace", threadId=thread)["stackFrames"][0]

    def variables(self, frame: dict[str, Any]) -> dict[str, str]:
        """The variables of the first scope of a frame."""
        scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
        found = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
        return {each["name"]: each["value"] for each in found}

    def go_on(self, action: str, thread: int) -> None:
        """``continue``, or ``next`` and the like."""
        self.ask(action, threadId=thread)


CODE = "here = 1\nthere = here + 1\nthere"


def stop_step_and_look(client: BlockingKernelClient, *, step: bool = True) -> None:
    """Attach, stop at a breakpoint, look, step, look, go on and part."""
    debugging = Debugging(client)
    debugging.attach()
    path = debugging.break_in(CODE, 2)
    request = client.execute(CODE)
    thread, frame = debugging.stopped()
    assert (frame["line"], frame["source"]["path"]) == (2, path)
    assert debugging.variables(frame)["here"] == "1"
    if step:
        debugging.go_on("next", thread)
        thread, frame = debugging.stopped()
        assert (frame["line"], frame["source"]["path"]) == (3, path)
        assert debugging.variables(frame)["there"] == "2"
    debugging.go_on("continue", thread)
    reply = client.get_shell_msg(timeout=SECONDS)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (request, "ok")
    debugging.ask("disconnect", restart=False, terminateDebuggee=False)
