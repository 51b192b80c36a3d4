"""The debugger: nothing of it is in the host until a client debugs, and then it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.debugging import CODE, Debugging, stop_step_and_look
from support.live import LiveHost, busy, cell, control, finish, value
from support.runs import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(60)


def features(client: BlockingKernelClient) -> list[str]:
    client.kernel_info()
    return list(client.get_shell_msg(timeout=SECONDS)["content"]["supported_features"])


def test_breakpoint_step_and_variables(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    assert "debugger" in features(client)
    stop_step_and_look(client)
    assert value(client, "1 + 1") == "2"


def test_none_of_it_is_there_before(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.start()
    client = host.client()
    features(client)
    loaded = "import sys; [name for name in sys.modules if name.startswith(('debugpy', 'pydevd'))]"
    assert value(client, loaded) == "[]"


def test_attach_while_a_cell_sleeps(each_host: LiveHost) -> None:
    """Control is answered meanwhile, and the next cell stops at its breakpoint."""
    each_host.start()
    client = each_host.client()
    request = busy(client, "import time; print('started', flush=True)\nwhile 1: time.sleep(0.1)")
    debugging = Debugging(client)
    debugging.attach()
    path = debugging.break_in(CODE, 2)
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    client.execute(CODE)
    thread, frame = debugging.stopped()
    assert (frame["line"], frame["source"]["path"]) == (2, path)
    debugging.go_on("continue", thread)
    assert client.get_shell_msg(timeout=SECONDS)["content"]["status"] == "ok"


# debugpy has no answer to the first four; in the others ipykernel's debugger fails.
NONSENSE = (
    {"seq": 7, "type": "event", "command": "threads"},
    {"seq": 7, "type": "request", "command": 7},
    {"seq": 7, "command": "threads"},
    {"type": "request", "command": "threads"},
    {"seq": 7, "type": "request", "command": "setBreakpoints"},
    {"seq": 7, "type": "request", "command": "dumpCell", "arguments": "a cell"},
    {"seq": 7, "type": "request", "command": "nothing of the protocol's"},
)


def test_nonsense_is_refused_and_holds_nothing(host: LiveHost) -> None:
    host.start()
    client = host.client()
    debugging = Debugging(client)
    debugging.ask("initialize", clientID="test", adapterID="", pathFormat="path")
    for content in NONSENSE:
        reply = control(client, "debug_request", **content)
        assert (reply["type"], reply["success"]) == ("response", False), content
        assert reply["message"]
    debugging.ask("debugInfo")
    request = busy(client, "import time; print('started', flush=True)\nwhile 1: time.sleep(0.1)")
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"


def test_the_next_kernel_of_the_process_can_be_debugged_too(host: LiveHost) -> None:
    """Between them the host is as it was, but for threads and a socket of the debugger's own."""
    host.start()
    host.stop()
    host.do("from ledger import Ledger; before = Ledger()")
    for _ in range(2):
        host.start()
        stop_step_and_look(host.client())
        host.drop_clients()
        assert host.stop() == []
        left = host.do("[line.split(':')[0] for line in before.differences()]")
        assert set(left) <= {"native threads", "descriptors"}


def test_after_a_soft_restart(host: LiveHost) -> None:
    host.start()
    client = host.client()
    stop_step_and_look(client)
    control(client, "shutdown_request", restart=True)
    assert cell(client, "1").status == "ok"
    stop_step_and_look(client)
