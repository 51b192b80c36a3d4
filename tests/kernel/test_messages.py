"""How messages are packed and read: as jupyter_client does it, in fewer steps."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.session import Session, json_packer

from hostkernel.kernel.ipython.wire import HostSession, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        {"text": "ä\u2028\U0001f600", "deep": {"list": [1, 2.5, True, None]}},
        {"date": WHEN, "bytes": b"\0\xff", "set": {1}, "keys": {1: 2}},
    ],
)
def test_it_is_packed_as_jupyter_client_packs_it(content: object) -> None:
    assert pack(content) == json_packer(content)


def test_what_json_cannot_say_is_cleaned_as_by_jupyter_client() -> None:
    content = {"none": math.nan}
    with pytest.warns(UserWarning, match="serialization failed"):
        packed = pack(content)
    with pytest.warns(UserWarning, match="serialization failed"):
        assert packed == json_packer(content)


def test_half_a_surrogate_pair_is_packed() -> None:
    assert pack({"text": "\ud800"}) == rb'{"text": "\ud800"}'


def frames(session: Session, **content: object) -> list[zmq.Frame]:
    """A request as a socket delivers it."""
    message = session.msg("execute_request", dict(content))
    return [zmq.Frame(part) for part in session.serialize(message, ident=b"client")]


def read(session: HostSession, parts: Sequence[Any]) -> Any:
    _, message = session.feed_identities(parts, copy=False)
    return session.deserialize(message, content=False, copy=False)["header"]


def test_a_header_is_read_once_where_it_is_asked_for_twice() -> None:
    session = HostSession(key=b"key")
    first, second = frames(session, code="1"), frames(session, code="2")
    header = session.header(first)
    assert read(session, first) is header
    assert read(session, first) is not header  # it is kept for the next reader alone
    session.header(first)
    assert read(session, second)["msg_id"] != header["msg_id"]


def test_a_forged_message_is_no_known_one() -> None:
    session = HostSession(key=b"key")
    genuine = frames(session, code="1")
    session.header(genuine)
    forged = [*genuine[:-1], zmq.Frame(b'{"code": "2"}')]
    with pytest.raises(ValueError, match="Invalid Signature"):
        read(session, forged)


def parent_frames(session: Session, header: dict[str, Any]) -> Any:
    """How an answer to a request with this header tells of it."""
    message = session.msg("status", {"execution_state": "busy"}, parent=header)
    return session.unpack(session.serialize(message)[3])


def test_each_answer_has_the_header_of_its_request() -> None:
    session = HostSession(key=b"key")
    one, two = (session.msg("execute_request")["header"] for _ in range(2))
    for header in (one, one, two, one):
        assert parent_frames(session, header)["msg_id"] == header["msg_id"]
    one["msg_id"] = "changed in place"
    assert parent_frames(session, one)["msg_id"] == "changed in place"


def test_another_packer_of_the_users_packs_all() -> None:
    session = HostSession(packer="pickle", unpacker="pickle")
    header = session.msg("execute_request")["header"]
    for _ in range(2):
        assert parent_frames(session, header)["msg_id"] == header["msg_id"]
