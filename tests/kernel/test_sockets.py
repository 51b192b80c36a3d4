"""The kernel's thread sends by itself, on sockets that other threads read from."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.session import Session
from support.live import value
from support.runs import SECONDS, wait_for
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

from hostkernel.kernel.ipython.app import _cancel_tasks
from hostkernel.kernel.ipython.iopub import PubThread
from hostkernel.kernel.ipython.sockets import Replies, SharedSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.live import LiveHost

    Connect = Callable[[int, int], zmq.Socket[bytes]]

ADDRESS = "tcp://127.0.0.1"


@contextmanager
def held(have_called: Callable[[Callable[[], None]], object]) -> Iterator[None]:
    """Keep a thread from its work; it calls what it is given through ``have_called``."""
    began, free = threading.Event(), threading.Event()

    def stand() -> None:
        began.set()
        free.wait(SECONDS)

    have_called(stand)
    assert began.wait(SECONDS)
    try:
        yield
    finally:
        free.set()


class Reader:
    """A thread that reads from a shared socket, as that of the shell channel does."""

    def __init__(self, context: zmq.Context[Any]) -> None:
        self.socket = context.socket(zmq.ROUTER, socket_class=SharedSocket)
        self.port = self.socket.bind_to_random_port(ADDRESS)
        self.read: list[bytes] = []
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._up.wait(SECONDS)

    def _run(self) -> None:
        async def run() -> None:
            self.loop = IOLoop.current()
            self._ended = asyncio.Event()
            self.stream = ZMQStream(self.socket)
            self.stream.on_recv(lambda frames: self.read.append(frames[-1]))
            self._up.set()
            await self._ended.wait()
            self.stream.close()

        asyncio.run(run())

    def close(self) -> None:
        self.loop.add_callback(self._ended.set)
        self._thread.join()


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    made: zmq.Context[Any] = zmq.Context()
    yield made
    made.term()


@pytest.fixture
def reader(context: zmq.Context[Any]) -> Iterator[Reader]:
    with closing(Reader(context)) as made:
        yield made


@pytest.fixture
def connect(context: zmq.Context[Any]) -> Iterator[Connect]:
    """Connect a socket of a kind to a port, as ``client`` to a router."""
    with ExitStack() as sockets:

        def connected(kind: int, port: int) -> zmq.Socket[bytes]:
            socket = sockets.enter_context(context.socket(kind))
            socket.rcvtimeo = int(1000 * SECONDS)
            socket.identity = b"client"
            if kind == zmq.SUB:
                socket.subscribe(b"")
            socket.connect(f"{ADDRESS}:{port}")
            return socket

        yield connected


def test_a_reply_hides_no_request(connect: Connect, reader: Reader) -> None:
    client = connect(zmq.DEALER, reader.port)
    client.send(b"first")
    wait_for(lambda: reader.read == [b"first"], "the first request")
    replies = Replies(reader.stream, lambda: None)
    with held(reader.loop.add_callback):
        client.send(b"second")
        # Looking takes the note of it away from the thread, as sending does.
        wait_for(lambda: reader.socket.has_news, "the second request")
        replies.send_multipart([b"client", b"reply"])
    wait_for(lambda: reader.read == [b"first", b"second"], "the second request to be read")


def test_a_reply_reaches_its_client(connect: Connect, reader: Reader) -> None:
    client = connect(zmq.DEALER, reader.port)
    client.send(b"request")
    wait_for(lambda: reader.read == [b"request"], "the request")
    Replies(reader.stream, lambda: None).send_multipart([b"client", b"a", b"b"])
    assert client.recv_multipart() == [b"a", b"b"]


def test_many_threads_send_whole_messages(context: zmq.Context[Any], connect: Connect) -> None:
    socket = context.socket(zmq.PUSH, socket_class=SharedSocket)
    socket.sndhwm = 0
    client = connect(zmq.PULL, socket.bind_to_random_port(ADDRESS))

    def send(name: bytes) -> None:
        for _ in range(500):
            socket.send_multipart([name] * 6)

    threads = [threading.Thread(target=send, args=(b"%d" % number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    received = [client.recv_multipart() for _ in range(4 * 500)]
    for thread in threads:
        thread.join()
    socket.close()
    assert all(len(parts) == 6 and len(set(parts)) == 1 for parts in received)


class Published:
    """A thread that publishes, and somebody who listens."""

    def __init__(self, context: zmq.Context[Any], connect: Connect) -> None:
        self.socket = context.socket(zmq.XPUB, socket_class=SharedSocket)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._connect = connect
        self._port = self.socket.bind_to_random_port(ADDRESS)
        self.thread = PubThread(self.socket, session=Session(key=b"key"))
        here = threading.get_ident()
        self.thread.sends_here = lambda: threading.get_ident() == here
        self.thread.start()

    def listen(self) -> zmq.Socket[bytes]:
        return self._connect(zmq.SUB, self._port)

    def greeted(self) -> zmq.Socket[bytes]:
        client = self.listen()
        assert b"iopub_welcome" in b"".join(client.recv_multipart())
        return client

    def close(self) -> None:
        cancelled = threading.Event()
        self.thread.io_loop.add_callback(_cancel_tasks, cancelled)
        assert cancelled.wait(SECONDS)
        self.thread.stop()
        self.thread.close()


@pytest.fixture
def published(context: zmq.Context[Any], connect: Connect) -> Iterator[Published]:
    with closing(Published(context, connect)) as made:
        yield made


def test_the_thread_is_passed_by(published: Published) -> None:
    client = published.greeted()
    with held(published.thread.io_loop.add_callback):  # it has nothing to send
        published.thread.send_multipart([b"a", b"b"])
        assert client.recv_multipart() == [b"a", b"b"]


def test_what_waits_is_not_overtaken(published: Published) -> None:
    client = published.greeted()
    with held(published.thread.schedule):
        published.thread.schedule(lambda: published.socket.send_multipart([b"first"]))
        published.thread.send_multipart([b"second"])
    assert [client.recv_multipart(), client.recv_multipart()] == [[b"first"], [b"second"]]


def test_what_is_in_hand_is_not_overtaken(published: Published) -> None:
    client = published.greeted()

    def send_late(stand: Callable[[], None]) -> None:
        def late() -> None:
            stand()
            published.socket.send_multipart([b"first"])

        published.thread.schedule(late)

    with held(send_late):
        assert not published.thread._events
        published.thread.send_multipart([b"second"])
    assert [client.recv_multipart(), client.recv_multipart()] == [[b"first"], [b"second"]]


def test_who_subscribes_meanwhile_is_greeted(published: Published) -> None:
    first = published.greeted()
    with held(published.thread.io_loop.add_callback):
        second = published.listen()
        # Looking takes the note of it away from the thread, as sending does.
        wait_for(lambda: published.socket.has_news, "the subscription")
        published.thread.send_multipart([b"to both"])
    assert first.recv_multipart() == [b"to both"]
    assert second.recv_multipart() == [b"to both"]
    assert b"iopub_welcome" in b"".join(second.recv_multipart())


def test_a_cell_leaves_it_to_the_thread(each_host: LiveHost) -> None:
    """An interrupt, which may come at any moment of a cell or of its task, would leave half a
    message."""
    host = each_host
    host.start()
    client = host.client()
    assert value(client, "get_ipython().kernel.iopub_thread.sends_here()") == "False"
    value(
        client,
        "import asyncio; seen = []; publishing = get_ipython().kernel.iopub_thread\n"
        "asyncio.get_running_loop().call_soon(lambda: seen.append(publishing.sends_here()))",
    )
    wait_for(lambda: value(client, "seen") == "[False]", "the cell's callback")
    assert value(client, "type(get_ipython().kernel.shell_stream.socket).__name__") == (
        "'SharedSocket'"
    )


def test_no_half_of_a_message_is_sent() -> None:
    """What cannot be sent is found before the first part is gone."""
    with zmq.Context() as context:
        near = context.socket(zmq.PAIR, socket_class=SharedSocket)
        far = context.socket(zmq.PAIR)
        with near, far:
            near.bind("inproc://parts")
            far.connect("inproc://parts")
            with pytest.raises(TypeError, match="buffer interface"):
                near.send_multipart([b"first", object()])
            near.send_multipart([b"whole", memoryview(b"of"), zmq.Frame(b"parts")])
            assert far.recv_multipart() == [b"whole", b"of", b"parts"]
            near.send_multipart([b"only", b"bytes"], zmq.NOBLOCK)
            assert far.recv_multipart() == [b"only", b"bytes"]
