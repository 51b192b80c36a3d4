"""Outside: connect to a kernel as a client does, and send hostkernel's own requests."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from hostkernel.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking import BlockingKernelClient

    from hostkernel.connection import ConnectionInfo

__all__ = ["Action", "ask", "client"]

Action = Literal["stop", "interrupt", "restart", "status", "attach", "detach"]

_REQUEST, _REPLY = "hostkernel_request", "hostkernel_reply"


@contextmanager
def client(info: ConnectionInfo) -> Iterator[BlockingKernelClient]:
    """Yield a client of the kernel, its channels not started yet; close it at the end."""
    import zmq
    from jupyter_client.blocking import BlockingKernelClient

    context = zmq.Context()
    context.ipv6 = True
    context.linger = 0
    kernel_client = BlockingKernelClient(context=context)
    kernel_client.load_connection_info(info.client_info())
    try:
        yield kernel_client
    finally:
        kernel_client.stop_channels()
        context.term()


def ask(
    info: ConnectionInfo, action: Action, *, timeout: float = 5.0, **details: object
) -> dict[str, Any]:
    """Ask a kernel to do something; return once it has agreed.

    No policy can refuse the request: it is signed with the kernel's key.

    Args:
        info: how to reach the kernel.
        action: what to do.
        timeout: seconds to wait for the answer.
        details: more fields of the request: ``exit_host=True`` with ``stop`` also ends the host,
            in an orderly way; ``holder`` names who attaches or detaches; ``look=True`` refreshes
            the title of the open document if the kernel is idle.

    Returns:
        The reply's content: ``state``, ``title``, ``renewals``, ``holders``.

    Raises:
        RequestError: the kernel could not do it, or did not answer in time.
    """
    with client(info) as asking:
        asking.start_channels(shell=False, iopub=False, stdin=False, hb=False, control=True)
        request = asking.session.msg(_REQUEST, {"action": action, **details})
        asking.control_channel.send(request)
        return _checked(action, _reply(asking, request["header"]["msg_id"], action, timeout))


def _reply(
    asking: BlockingKernelClient, request_id: str, action: str, timeout: float
) -> dict[str, Any]:
    from queue import Empty

    deadline = time.monotonic() + timeout
    while True:
        try:
            left = max(0.0, deadline - time.monotonic())
            message: dict[str, Any] = asking.get_control_msg(timeout=left)
        except Empty:
            raise RequestError(action, f"no answer within {timeout:g} s") from None
        if message["parent_header"].get("msg_id") == request_id:
            return message


def _checked(action: str, reply: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = reply["content"]
    if reply["msg_type"] != _REPLY or content.get("status") != "ok":
        reason = content.get("evalue") or f"it answered {reply['msg_type']}"
        raise RequestError(action, reason)
    return content
