"""The kernel's doors: what is let in on which channel.

Each override says what the original does, as in :mod:`hostkernel.kernel.ipython.shell`.
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

# These run the user's code, or touch what belongs to the thread that does.
_SHELL_ONLY = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "history_request",
    "is_complete_request",
)
_SUBSHELLS = ("create_subshell_request", "delete_subshell_request", "list_subshell_request")
_MARK = 1.0  # seconds that an error's answer may wait for the mark behind what has come
_AT_ONCE = 10_000  # requests that may wait behind an error


class IntakeKernel(LateDebuggerKernel):
    """Lets in what is genuine, well-formed and on the right channel."""

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
        self.owner.look_after_turns()
        return header

    async def shell_channel_thread_main(self, msg: Any) -> None:
        """Original: what is malformed may end up in the host's log, whole.

        A request's time of arrival is noted; but not of those to a subshell, which does not
        wait for the main thread.
        """
        header = self._let_in(msg)
        if header is None:
            return
        if header["msg_type"].endswith("_request") and header.get("subshell_id") is None:
            self._turns.arrived(header_frame(msg), header, self.shell_channel_thread.io_loop)
        await super().shell_channel_thread_main(msg)

    async def dispatch_control(self, msg: Any) -> None:
        """Original: see :meth:`shell_channel_thread_main`."""
        if self._let_in(msg) is not None:
            await super().dispatch_control(msg)

    async def dispatch_shell(self, msg: Any, /, *args: Any, **kwargs: Any) -> None:
        """Original; and the request no longer waits for its turn."""
        self._turns.begun(header_frame(msg))
        try:
            await super().dispatch_shell(msg, *args, **kwargs)
        finally:
            if not self._asking:
                self._drop_unasked_answers()

    async def _answered(self, handler: Any, stream: Any, ident: Any, parent: Any) -> None:
        """Serve a request. Original: one whose handler fails is never answered."""
        try:
            served = handler(stream, ident, parent)
            if inspect.isawaitable(served):
                await served
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            self._answer_with(error, stream, ident, parent)
            if isinstance(error, Exception):
                raise  # the original logs it
            note_stray(error)

    def end_request(self, frames: Any, error: BaseException) -> None:
        """Answer a request that ``error`` has ended, if that is still to be done.

        Args:
            frames: of the request.
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
        """What a request is answered with if this ended it."""
        lines = traceback.format_exception_only(error)
        return _error(type(error).__name__, str(error)) | {
            "traceback": lines,
            "execution_count": self.shell.execution_count,
            "user_expressions": {},
            "payload": [],
        }

    # Behind an error: what has come before the client knows of it is given up, and no more.

    def finish_metadata(self, parent: Any, metadata: Any, reply_content: Any) -> Any:
        """Original; called just before the answer, also that of one that is given up."""
        if reply_content["status"] == "error" and _stops_on_error(parent):
            self._marked.clear()
            super()._abort_queues(parent["header"].get("subshell_id"))
            self._marked.wait(_MARK)
        return super().finish_metadata(parent, metadata, reply_content)

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        # Original: only behind the answer, and with it goes what a quick client sends next.
        pass

    def _post_dummy_stop_aborting_message(self, subshell_id: str | None) -> None:
        # Original: overtakes what has come and was not read yet, which is then run.
        self.shell_stream.flush(zmq.POLLIN, limit=_AT_ONCE)
        self.shell_channel_thread.io_loop.add_callback(self._post_mark, subshell_id)

    def _post_mark(self, subshell_id: str | None) -> None:
        try:
            super()._post_dummy_stop_aborting_message(subshell_id)
        finally:
            self._marked.set()

    def _input_request(self, prompt: str, ident: Any, *args: Any, **kwargs: Any) -> Any:
        # Original; in any thread of a cell's.
        self._asking += 1
        before = asked.set(ident)
        try:
            return super()._input_request(prompt, ident, *args, **kwargs)
        finally:
            asked.reset(before)
            self._asking -= 1

    def _drop_unasked_answers(self) -> None:
        # Original: keeps them, and the connections they came by, until a cell asks something.
        with suppress(zmq.Again):
            while True:
                self.stdin_socket.recv_multipart(zmq.DONTWAIT)

    def do_history(
        self, hist_access_type: str, output: bool, raw: bool, **which: Any
    ) -> dict[str, Any]:
        """Original: IPython takes what SQLite refuses for a broken file, and moves it away."""
        try:
            check_history_request(which)
        except (TypeError, ValueError) as error:
            return {**_error(type(error).__name__, str(error)), "history": []}
        reply: dict[str, Any] = super().do_history(hist_access_type, output, raw, **which)
        return reply

    # Refusals. Originals: serve it, on the control thread.

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
