"""Runs a case as a client does, and keeps what the client receives."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq
from support.runs import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jupyter_client.blocking.client import BlockingKernelClient

    from .case import Cell

__all__ = ["Received", "Recorder"]

_MOST_QUESTIONS = 20  # in a cell; what asks for ever is to be seen as that


@dataclass
class Received:
    """What a client received.

    Attributes:
        messages: by the number of the cell, from iopub.
        questions: the same from stdin. The order between the two channels is open.
        replies: the same of its reply.
        elsewhere: from iopub, what no cell of the case is the parent of.
        late: the cells of which text may come late.
        count: how many cells have run.
    """

    messages: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    questions: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[int, dict[str, Any]] = field(default_factory=dict)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)
    late: set[int] = field(default_factory=set)
    count: int = 0

    def has(self, text: str) -> bool:
        """Whether this text was printed."""
        every = [*self.elsewhere, *(one for many in self.messages.values() for one in many)]
        streams = (one["content"]["text"] for one in every if one["msg_type"] == "stream")
        return text in "".join(streams)


class Recorder:
    """The client of one case.

    Args:
        interrupt: interrupts the kernel.
        late: wait for what a cell says it prints late.
    """

    def __init__(
        self,
        client: BlockingKernelClient,
        interrupt: Callable[[], object],
        *,
        late: bool,
    ) -> None:
        self._client = client
        self._interrupt = interrupt
        self._late = late
        self._requests: dict[str, int] = {}
        self._answers: list[str] = []
        self.received = Received()
        self.poller = zmq.Poller()
        for channel in (client.iopub_channel, client.shell_channel, client.stdin_channel):
            self.poller.register(channel.socket, zmq.POLLIN)

    def run(self, cells: Iterable[Cell]) -> Received:
        """Run cells; those after one that is never answered do not run."""
        for cell in cells:
            if not self.cell(cell):
                break
        return self.received

    def cell(self, cell: Cell) -> bool:
        """Run a cell; whether it was answered."""
        number = self.received.count
        self.received.count += 1
        self._answers = list(cell.answers)
        request = self._client.execute(
            cell.code,
            silent=cell.silent,
            allow_stdin=cell.asks,
            user_expressions=dict(cell.expressions),
        )
        self._requests[request] = number
        if cell.interrupt and self._wait(lambda: self.received.has(cell.interrupt), cell):
            self._interrupt()
        answered = self._wait(lambda: self._is_over(number), cell)
        if cell.late:
            self.received.late.add(number)
        if cell.late and self._late:
            self._wait(lambda: self.received.has(cell.late), cell)
        return answered

    def _is_over(self, number: int) -> bool:
        idle = any(
            message["content"].get("execution_state") == "idle"
            for message in self.received.messages[number]
        )
        return idle and number in self.received.replies

    def _wait(self, condition: Callable[[], bool], cell: Cell) -> bool:
        deadline = time.monotonic() + cell.seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ready = dict(self.poller.poll(left * 1000))
            for channel, take in self._takers():
                if channel.socket in ready:
                    take(channel.get_msg(timeout=0))
        return True

    def _takers(self) -> tuple[tuple[Any, Callable[[dict[str, Any]], None]], ...]:
        client = self._client
        return (
            (client.iopub_channel, self._take_output),
            (client.stdin_channel, self._take_question),
            (client.shell_channel, self._take_reply),
        )

    def _take_output(self, message: dict[str, Any]) -> None:
        number = self._requests.get(message["parent_header"].get("msg_id", ""))
        if BUSY in str(message["content"].get("text")):
            return
        if number is not None:
            self.received.messages[number].append(message)
        elif message["msg_type"] not in ("status", "execute_input", "iopub_welcome"):
            self.received.elsewhere.append(message)

    def _take_question(self, message: dict[str, Any]) -> None:
        number = self._requests.get(message["parent_header"].get("msg_id", ""), -1)
        self.received.questions[number].append(message["content"])
        if self._answers:
            self._client.input(self._answers.pop(0))
        elif len(self.received.questions[number]) < _MOST_QUESTIONS:
            self._client.input("")

    def _take_reply(self, message: dict[str, Any]) -> None:
        number = self._requests.get(message["parent_header"].get("msg_id", ""))
        if number is not None:
            self.received.replies[number] = message["content"]
