"""Subshells: where the host's API may be used off its thread, and refused elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ipykernel.kernelbase import Kernel
from support.live import busy, control, finish, value
from support.runs import SECONDS

if TYPE_CHECKING:
    from support.live import LiveHost

SAFE = "class Safe(LiveHost):\n    thread_safe = True"


def test_refused(host: LiveHost) -> None:
    host.start()
    client = host.client()
    assert "kernel subshells" not in client.kernel_info(reply=True)["content"]["supported_features"]
    reply = control(client, "create_subshell_request")
    assert (reply["status"], reply["ename"]) == ("error", "SubshellsUnavailable")
    assert "live runs cells on its main thread only" in reply["evalue"]
    assert value(client, "1 + 1") == "2"


@pytest.mark.parametrize("code", ["print('beside')", "import asyncio; await asyncio.sleep(0.01)"])
def test_a_cell_runs_beside_another(host: LiveHost, code: str) -> None:
    host.do(SAFE)
    host.start("Safe")
    client, other = host.client(), host.client()
    subshell = control(client, "create_subshell_request")["subshell_id"]
    waiting = "go = []\nimport time; print('started')\nwhile not go: time.sleep(0.01)"
    request = busy(client, waiting)
    message = other.session.msg(
        "execute_request", {"code": f"{code}; go.append(1)", "silent": False}
    )
    message["header"]["subshell_id"] = subshell
    other.shell_channel.send(message)
    reply = other.get_shell_msg(timeout=SECONDS)["content"]
    assert reply["status"] == "ok", reply["traceback"]
    assert finish(client, request).status == "ok"
    assert control(client, "delete_subshell_request", subshell_id=subshell)["status"] == "ok"
    host.drop_clients()
    assert host.stop() == []


@pytest.mark.skipif(
    not hasattr(Kernel, "_send_unknown_subshell_reply"), reason="ipykernel answers it from 7.4 on"
)
@pytest.mark.parametrize("thread_safe", [True, False])
def test_a_cell_for_a_subshell_that_is_not_there_is_answered(
    host: LiveHost, thread_safe: bool
) -> None:
    host.do(SAFE)
    host.start("Safe" if thread_safe else "")
    client = host.client()
    message = client.session.msg("execute_request", {"code": "1 + 1", "silent": False})
    message["header"]["subshell_id"] = "no such subshell"
    client.shell_channel.send(message)
    reply = client.get_shell_msg(timeout=SECONDS)
    assert reply["parent_header"]["msg_id"] == message["header"]["msg_id"]
    assert (reply["content"]["status"], reply["content"]["ename"]) == (
        "error",
        "UnknownSubshellError",
    )
    assert value(client, "1 + 1") == "2"
