"""Admission: which messages the kernel lets in, and on which channel.

Each override says what it does, then what upstream does, as in
:mod:`hostkernel.kernel.ipython.shell`.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq

from hostkernel.host.entry import note_stray

from .debugger import LateDebuggerKernel
from .waiting import Turns
from .wire import asked, check_history_request, header_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["IntakeKernel"]

# These run the user's code, or touch objects of the thread that runs it.
_SHELL_ONLY = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "history_request",
    "is_complete_request",
)
_SUBSHELLS = ("create_subshell_request", "delete_subshell_request", "list_subshell_request")
_MARK = 1.0  # seconds that an error reply may wait for the mark after the received requests
_AT_ONCE = 10_000  # received requests to read at most, after an error


class IntakeKernel(LateDebuggerKernel):
    """A kernel that lets in genuine, well-formed messages on the right channel only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._marked = threading.Event()
        self._asking = 0  # cells that wait for an answer to input()
        self._turns = Turns(self._tell_that_the_host_is_busy)
        for kind in filter(_is_request, self.shell_handlers):
            self.shell_handlers[kind] = partial(self._answered, self.shell_handlers[kind])
        self.control_handlers |= dict.fromkeys(_SHELL_ONLY, self._refuse_on_control)
        if not self.owner.host.thread_safe:
            self.control_handlers |= dict.fromkeys(_SUBSHELLS, self._refuse_subshells)

    def _tell_that_the_host_is_busy(self, header: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _let_in(self, message: Sequence[zmq.Frame]) -> Mapping[str, Any] | None:
        try:
            header: Mapping[str, Any] = self.session.header(message)
        except Exception as error:
            self.log.warning("a message was refused: %s: %s", type(error).__name__, error)
            return None
        self.owner.driver.look_after()
        return header

    async def shell_channel_thread_main(self, msg: Any) -> None:
        """Drop an invalid message, and note when a request has arrived.

        The arrival of a request to a subshell, which does not wait for the main thread, is not
        noted. Upstream: a malformed message may end up in the host's log in full.
        """
        header = self._let_in(msg)
        if header is None:
            return
        if header["msg_type"].endswith("_request") and header.get("subshell_id") is None:
            self._turns.arrived(header_frame(msg), header, self.shell_channel_thread.io_loop)
        await super().shell_channel_thread_main(msg)

    async def dispatch_control(self, msg: Any) -> None:
        """Drop an invalid message, as :meth:`shell_channel_thread_main` does."""
        if self._let_in(msg) is not None:
            await super().dispatch_control(msg)

    async def dispatch_shell(self, msg: Any, /, *args: Any, **kwargs: Any) -> None:
        """Note that the request has its turn, serve it, then drop unasked input replies."""
        self._turns.begun(header_frame(msg))
        try:
            await super().dispatch_shell(msg, *args, **kwargs)
        finally:
            if not self._asking:
                self._drop_unasked_answers()

    async def _answered(self, handler: Any, stream: Any, ident: Any, parent: Any) -> None:
        """Serve a request, and reply with an error if its handler fails.

        Upstream: a request whose handler fails never gets a reply.
        """
        try:
            served = handler(stream, ident, parent)
            if inspect.isawaitable(served):
                await served
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            self._answer_with(error, stream, ident, parent)
            if isinstance(error, Exception):
                raise  # upstream logs it
            note_stray(error)

    def end_request(self, frames: Any, error: BaseException) -> None:
        """Reply to a request that ``error`` has ended, unless it has its reply.

        Args:
            frames: the frames of the request.
            error: what was raised in the kernel's own work.
        """
        ident, request = self.session.read_again(frames)
        if _is_request(request["header"]["msg_type"]):
            stream = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
            self._answer_with(error, stream, ident, request)
        self._publish_status("idle", "shell", request)

    def _answer_with(self, error: BaseException, stream: Any, ident: Any, request: Any) -> None:
        if self.session.has_answered(request):
            return
        content = self._failure(error)
        if request["header"]["msg_type"] == "execute_request":
            topic = self._topic("error")
            self.session.send(self.iopub_socket, "error", content, request, ident=topic)
        metadata = self.finish_metadata(request, self.init_metadata(request), content)
        self._reply(stream, ident, request, content, metadata)

    def _failure(self, error: BaseException) -> dict[str, Any]:
        """Return the reply to a request that ``error`` has ended."""
        lines = traceback.format_exception_only(error)
        return _error(type(error).__name__, str(error)) | {
            "traceback": lines,
            "execution_count": self.shell.execution_count,
            "user_expressions": {},
            "payload": [],
        }

    # After an error: abort the requests that came before the client could know of it, no others.

    def finish_metadata(self, parent: Any, metadata: Any, reply_content: Any) -> Any:
        """Abort the queue if a cell has failed, then do what upstream does.

        Called just before the reply to a cell, an aborted one included.
        """
        if reply_content["status"] == "error" and _stops_on_error(parent):
            self._marked.clear()
            super()._abort_queues(parent["header"].get("subshell_id"))
            self._marked.wait(_MARK)
        return super().finish_metadata(parent, metadata, reply_content)

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        # finish_metadata() aborts. Upstream: aborts after the reply, so it also drops what a fast
        # client sends next.
        pass

    def _post_dummy_stop_aborting_message(self, subshell_id: str | None) -> None:
        # Read first what has arrived. Upstream: the message overtakes unread requests, which are
        # then run.
        self.shell_stream.flush(zmq.POLLIN, limit=_AT_ONCE)
        self.shell_channel_thread.io_loop.add_callback(self._post_mark, subshell_id)

    def _post_mark(self, subshell_id: str | None) -> None:
        try:
            super()._post_dummy_stop_aborting_message(subshell_id)
        finally:
            self._marked.set()

    def _input_request(self, prompt: str, ident: Any, *args: Any, **kwargs: Any) -> Any:
        # As upstream, but only the asked client may reply. Runs in any thread of a cell.
        self._asking += 1
        before = asked.set(ident)
        try:
            return super()._input_request(prompt, ident, *args, **kwargs)
        finally:
            asked.reset(before)
            self._asking -= 1

    def _drop_unasked_answers(self) -> None:
        # Upstream: keeps the replies, and their connections, until a cell asks for input.
        with suppress(zmq.Again):
            while True:
                self.stdin_socket.recv_multipart(zmq.DONTWAIT)

    def do_history(
        self, hist_access_type: str, output: bool, raw: bool, **which: Any
    ) -> dict[str, Any]:
        """Refuse a request that SQLite would refuse, else do what upstream does.

        Upstream: IPython takes SQLite's refusal for a broken file, and moves the file away.
        """
        try:
            check_history_request(which)
        except (TypeError, ValueError) as error:
            return {**_error(type(error).__name__, str(error)), "history": []}
        reply: dict[str, Any] = super().do_history(hist_access_type, output, raw, **which)
        return reply

    # Refusals. Upstream: serves these requests on the control thread.

    def _refuse_on_control(self, stream: Any, ident: Any, parent: Any) -> None:
        kind = parent["header"]["msg_type"]
        reason = f"{kind} belongs on the shell channel: it is served on the kernel's own thread"
        self._reply(stream, ident, parent, _error("WrongChannel", reason))

    def _refuse_subshells(self, stream: Any, ident: Any, parent: Any) -> None:
        reason = f"{self.owner.host.name} runs cells on its main thread only"
        self._reply(stream, ident, parent, _error("SubshellsUnavailable", reason))

    def _reply(
        self, stream: Any, ident: Any, parent: Any, content: dict[str, Any], metadata: Any = None
    ) -> None:
        reply = parent["header"]["msg_type"].removesuffix("_request") + "_reply"
        self.session.send(stream, reply, content, parent, ident, metadata=metadata)


def _is_request(kind: str) -> bool:
    return kind.endswith("_request")


def _stops_on_error(request: Mapping[str, Any]) -> bool:
    content = request["content"]
    if isinstance(content, bytes):  # unread: for a subshell that is not there
        return False
    is_cell = request["header"]["msg_type"] == "execute_request"
    return is_cell and not content.get("silent") and bool(content.get("stop_on_error", True))


def _error(name: str, text: str) -> dict[str, Any]:
    return {"status": "error", "ename": name, "evalue": text, "traceback": []}
