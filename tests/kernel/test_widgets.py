"""ipywidgets that are alive at the end of their kernel: quiet, let go of, and back at the next."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from support.live import cell, control, value
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from support.live import LiveHost

WIDGETS = """
import ipywidgets
sliders = [ipywidgets.IntSlider(value=number) for number in range(3)]
sliders[0].observe(lambda change: sliders, "value")
box = ipywidgets.VBox(sliders)
len(sliders)
"""
FRESH = "'sliders' not in globals()"
LEFT = """
import gc, sys
gc.collect()
sum(type(found).__name__ == "IntSlider" for found in gc.get_objects())
"""


def states(client: BlockingKernelClient) -> int:
    """How many widgets the kernel tells of that asks as JupyterLab does when it connects."""
    comm_id = uuid.uuid4().hex
    opening: dict[str, Any] = {
        "comm_id": comm_id,
        "target_name": "jupyter.widget.control",
        "data": {},
    }
    version = {"version": "1.0.0"}
    session, channel = client.session, client.shell_channel
    channel.send(session.msg("comm_open", opening, metadata=version))
    asking = {"comm_id": comm_id, "data": {"method": "request_states"}}
    channel.send(session.msg("comm_msg", asking))
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        content = message["content"]
        if content.get("comm_id") != comm_id:
            continue
        assert message["msg_type"] == "comm_msg", "the kernel knows no widgets"
        return len(content["data"]["states"])


def test_widgets_end_without_a_word(each_host: LiveHost) -> None:
    each_host.start()
    client = each_host.client()
    assert value(client, WIDGETS) == "3"
    alone = states(client)
    assert alone > 3
    assert control(client, "shutdown_request", restart=True)["status"] == "ok"
    wait_for(lambda: value(client, FRESH) == "True", "a fresh namespace")
    assert value(client, LEFT) == "0"
    assert value(client, WIDGETS) == "3"
    assert states(client) == alone
    each_host.drop_clients()
    assert each_host.stop() == []
    assert each_host.do(LEFT) == 0
    each_host.start()
    client = each_host.client()
    assert value(client, WIDGETS) == "3"
    assert states(client) == alone
    assert cell(client, "sliders[0].close(); del sliders, box").status == "ok"
    each_host.drop_clients()
    assert each_host.stop() == []
    assert "Exception ignored" not in each_host.output
    assert "Traceback" not in each_host.output
