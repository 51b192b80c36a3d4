"""Whatever is sent to its ports: the kernel answers, nothing is executed, the host goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

import pytest
import zmq
from kernel.test_soak import READ, RESIDENT, WATCH, lasting_changes
from support.live import LiveHost, cell, control, finish, warm_up
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.slow(100)

MESSAGES = 20_000
WARM_UP = 10_000
FUZZERS = 4
MEGABYTES = 50  # that they may leave: 2.5 kB for each message
SEED = int(os.environ.get("HOSTKERNEL_TEST_SEED", "1"))
FUZZER = Path(__file__).with_name("fuzzer.py")
# What is really kept: large messages leave holes in the memory that the process has, and to render
# tracebacks IPython keeps the syntax trees of all files that it has seen in any.
KEPT = f"""
import ctypes, executing, stack_data
for source in (executing.Source, stack_data.Source):
    [found.clear() for found in vars(source).values() if type(found) is dict]
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
{RESIDENT}
"""
WAITING = "import zmq; sum(type(each) is zmq.Frame for each in gc.get_objects())"


@pytest.fixture(params=("pumped", "shared"))
def fuzzed(request: pytest.FixtureRequest, live: Callable[..., LiveHost]) -> LiveHost:
    host = live(request.param, dev=False)
    host.do(WATCH)
    host.start()
    return host


def answer(client: BlockingKernelClient, expression: str) -> str:
    """What an expression gives; others may interrupt it, or have it aborted by an error of theirs.

    By the reply alone: in a flood of messages ZeroMQ drops on iopub what a subscriber does not
    take in time (zmq_socket(3), ZMQ_XPUB), as from any kernel.
    """
    while True:
        request = client.execute("None", user_expressions={"asked": expression})
        reply = client.get_shell_msg(timeout=SECONDS)
        while reply["parent_header"].get("msg_id") != request:
            reply = client.get_shell_msg(timeout=SECONDS)
        forget_iopub(client)
        content = reply["content"]
        found = content.get("user_expressions", {}).get("asked", {})
        if "data" in found:
            return str(found["data"]["text/plain"])
        interrupted = "KeyboardInterrupt" in (content.get("ename"), found.get("ename"))
        assert content["status"] == "aborted" or interrupted, content


def forget_iopub(client: BlockingKernelClient) -> None:
    """Drop what has come there by now."""
    channel = client.iopub_channel.socket
    with suppress(zmq.Again):
        while True:
            channel.recv_multipart(zmq.NOBLOCK)


def sent_once(client: BlockingKernelClient) -> list[bytes]:
    """Run a cell, and give the message as it went over the wire."""
    message = client.session.msg("execute_request", {"code": "times.append(1)", "silent": False})
    frames: list[bytes] = client.session.serialize(message)
    client.shell_channel.socket.send_multipart(frames)
    assert finish(client, message["header"]["msg_id"]).status == "ok"
    return frames


def fuzz(
    host: LiveHost, client: BlockingKernelClient, messages: int, seed: int, *files: str
) -> float:
    """Send so many, from some processes at once; the host's longest wait meanwhile."""
    count = str(messages // FUZZERS)
    fuzzers = [
        subprocess.Popen(
            [sys.executable, str(FUZZER), str(host.file()), str(each), count, *files],
            env=host.env,
        )
        for each in range(seed, seed + FUZZERS)
    ]
    longest = 0.0
    try:
        while any(fuzzer.poll() is None for fuzzer in fuzzers):
            asked = time.monotonic()
            host.do("None")
            longest = max(longest, time.monotonic() - asked)
            assert answer(client, "6 * 7") == "42"
    except Empty:
        host.beside("import faulthandler; faulthandler.dump_traceback()")
        pytest.fail(f"no reply; where the host's threads are:\n{host.output[-9000:]}")
    finally:
        for fuzzer in fuzzers:
            fuzzer.kill()
            fuzzer.wait()
    assert host.process.poll() is None, (host.process.poll(), host.output[-3000:])
    assert [fuzzer.returncode for fuzzer in fuzzers] == [0] * FUZZERS
    # Others' messages may still be waiting behind one of the client's that is answered.
    wait_for(lambda: host.do(WAITING) == 0, "the last of what was sent to be served")
    return longest


@pytest.mark.timeout(600)  # it is the work of a minute on a machine at leisure
def test_twenty_thousand_malformed_messages(
    fuzzed: LiveHost,
    record_property: Callable[[str, object], None],
) -> None:
    host = fuzzed
    client = host.quick_client()
    assert cell(client, "times = []").status == "ok"
    marker, sent = host.folder / "executed", host.folder / "sent"
    sent.write_text("\n".join(part.hex() for part in sent_once(client)))
    warm_up(client)
    before, said = host.do(READ), len(host.output)
    print(f"again: HOSTKERNEL_TEST_SEED={SEED}")
    # What is kept once, and the holes that large messages leave, come with the first of them.
    fuzz(host, client, WARM_UP, SEED + FUZZERS, str(marker), str(sent))
    resident = host.do(KEPT)
    began = time.monotonic()
    longest = fuzz(host, client, MESSAGES, SEED, str(marker), str(sent))
    seconds = time.monotonic() - began
    assert answer(client, "len(times)") == "1"
    assert not marker.exists()

    # With each answer the kernel drops what nobody asked for on stdin.
    assert lasting_changes(host, before, lambda: answer(client, "1")) == {}
    grown = host.do(KEPT) - resident
    record_property(
        "figures",
        f"{MESSAGES} messages in {seconds:.0f} s; the host's longest wait {longest:.2f} s; "
        f"{len(host.output) - said} characters said; memory {grown:+.1f} MB",
    )
    assert len(host.output) - said < 100_000, host.output[said:]
    assert grown < MEGABYTES
    assert longest < 10
    everything_works(host)
    host.drop_clients()
    assert host.stop() == []


def everything_works(host: LiveHost) -> None:
    """Each channel, for a client that comes only now."""
    client = host.quick_client()  # has heard iopub
    asked, answered = client.stdin_channel.msg_ready, client.shell_channel.msg_ready
    while True:  # an interrupt or an error of the fuzzers' may still be on its way
        request = client.execute("input()", allow_stdin=True)
        wait_for(lambda: asked() or answered(), "the question of input(), or the end of the cell")
        if asked():
            client.get_stdin_msg(timeout=SECONDS)
            client.input("an answer")
        reply = finish(client, request)
        if reply.status == "ok":
            break
        assert reply.status == "aborted" or reply.ename == "KeyboardInterrupt", reply
    assert reply.text == "'an answer'", reply
    wait_for(
        lambda: control(client, "hostkernel_request", action="status")["state"] == "idle",
        "an idle kernel",
    )
    client.start_channels(shell=False, iopub=False, stdin=False, control=False)
    wait_for(client.hb_channel.is_beating, "a heartbeat")
