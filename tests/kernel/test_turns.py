"""A host that is busy by itself is visible to its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel.test_modes import PUMPED

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_client_is_told_that_the_host_is_busy(told: Callable[..., dict[str, Any]]) -> None:
    facts = told(
        PUMPED
        + """
from jupyter_client.blocking.client import BlockingKernelClient

def ask(client):
    message = client.session.msg("hostkernel_request", {"action": "status"})
    client.control_channel.send(message)
    return client.get_control_msg(timeout=30)["content"]

manager.start()
client = BlockingKernelClient(connection_file=str(manager.connection_file))
client.load_connection_file()
client.start_channels()
ready = threading.Thread(target=client.wait_for_ready)
ready.start()
turn(lambda: not ready.is_alive())
idle = ask(client)

# The main thread runs none of the host's turns from here: a modal dialog.
request = client.execute("'done'")
texts = []
while not texts:
    message = client.get_iopub_msg(timeout=30)
    if message["msg_type"] == "stream":
        texts.append([message["content"], message["parent_header"]["msg_id"] == request])
busy = ask(client)

replies = []
def collect():
    replies.append(client.get_shell_msg(timeout=30)["content"]["status"])
collecting = threading.Thread(target=collect)
collecting.start()
turn(lambda: not collecting.is_alive())
after = ask(client)
client.stop_channels()
manager.stop()
tell(idle=idle, texts=texts, busy=busy, replies=replies, after=after)
"""
    )
    text = "queue is busy: this cell runs when it is free again.\n"
    assert facts["texts"] == [[{"name": "stderr", "text": text}, True]]
    assert facts["replies"] == ["ok"]
    states = [facts[moment]["state"] for moment in ("idle", "busy", "after")]
    assert states == ["idle", "busy", "idle"]
