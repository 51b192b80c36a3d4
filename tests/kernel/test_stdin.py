"""``kernel.stdin``: whether a cell may wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import cell, control, finish, value
from support.runs import SECONDS

if TYPE_CHECKING:
    from support.live import LiveHost

QUESTIONS = ("input('? ')", "import getpass; getpass.getpass('? ')")


@pytest.mark.parametrize("code", QUESTIONS)
def test_refused(host: LiveHost, code: str) -> None:
    host.start("kernel={'stdin': 'refuse'}")
    client = host.client()
    reply = cell(client, code, allow_stdin=True)
    assert reply.ename == "StdinNotImplementedError"
    assert 'kernel.stdin = "refuse"' in reply.content["evalue"]
    assert "live would stand still" in reply.content["evalue"]
    assert not client.stdin_channel.socket.poll(0)
    assert value(client, "1 + 1") == "2"


@pytest.mark.parametrize("code", QUESTIONS)
def test_answered(each_host: LiveHost, code: str) -> None:
    each_host.start()
    client = each_host.client()
    request = client.execute(code, allow_stdin=True)
    assert client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "? "
    client.input("an answer")
    assert finish(client, request).text == "'an answer'"


@pytest.mark.parametrize("code", QUESTIONS)
def test_interrupted(each_host: LiveHost, code: str) -> None:
    each_host.start()
    client = each_host.client()
    request = client.execute(code, allow_stdin=True)
    client.get_stdin_msg(timeout=SECONDS)
    assert control(client, "interrupt_request")["status"] == "ok"
    assert finish(client, request).ename == "KeyboardInterrupt"
    assert value(client, "1 + 1") == "2"


def test_only_who_was_asked_answers(each_host: LiveHost) -> None:
    """Another client's answer, as one that comes too late, is nobody's."""
    each_host.start()
    client, other = each_host.client(), each_host.client()
    request = client.execute("input('? ')", allow_stdin=True)
    client.get_stdin_msg(timeout=SECONDS)
    other.input("another's answer")
    control(other, "kernel_info_request")  # by its answer that has arrived, too
    client.input("an answer")
    assert finish(client, request).text == "'an answer'"
