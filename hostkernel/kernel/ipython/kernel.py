"""ipykernel's kernel, with an override for every step that would harm a host.

Each override says what it does, then what upstream does, as in
:mod:`hostkernel.kernel.ipython.shell`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq
from ipykernel.ipkernel import IPythonKernel
from IPython.core.error import StdinNotImplementedError
from traitlets import Float, Type

from hostkernel.host.entry import note_stray
from hostkernel.kernel.base.boundaries import boundary
from hostkernel.kernel.process.interrupt import Cancel

from .admission import IntakeKernel
from .naming import named_as
from .scripts import Script
from .sharing import Sharing
from .shell import HostShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["HostIPythonKernel"]

log = logging.getLogger("hostkernel.kernel")

_LOOK = 0.2  # seconds to wait for the kernel's thread to read the title
_NO_COMPLETIONS = {"status": "ok", "matches": [], "metadata": {}}
_NO_INSPECTION = {"status": "ok", "found": False, "data": {}, "metadata": {}}


@named_as(IPythonKernel)
class HostIPythonKernel(IntakeKernel):
    """The kernel that speaks to clients."""

    shell_class = Type(HostShell)
    shell: HostShell
    # Upstream: sleeps 0.5 ms before each reply, for output that its flush may have missed.
    _execute_sleep = Float(0.0)
    control_msg_types = [*IPythonKernel.control_msg_types, "hostkernel_request"]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(owner=kwargs["parent"].owner, **kwargs)
        self._requests: set[asyncio.Task[Any]] = set()
        self._running: set[asyncio.Task[Any]] = set()
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._open.set()
        self._idle.set()
        for kind in ("comm_open", "comm_msg", "comm_close"):
            self.shell_handlers[kind] = partial(self._with_callbacks, self.shell_handlers[kind])
        self._sharing = Sharing()
        self._renewals = 0
        self._gives_up = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is being served, or waits because the host is busy. Any thread."""
        late = self._turns.any_late or self.owner.driver.is_overdue
        return late or not self._idle.is_set()

    def _tell_that_the_host_is_busy(self, header: Mapping[str, Any]) -> None:
        # The request waits for another cell, as in any kernel, or it is given up.
        if not self._idle.is_set() or self._gives_up:
            return
        name = self.owner.host.name
        text = f"{name} is busy: this cell runs when it is free again.\n"
        with suppress(zmq.ZMQError):  # the kernel is just being closed
            self._tell(text, {"header": header})

    @property
    def running(self) -> frozenset[object]:
        """The requests that are being served. Any thread."""
        return frozenset(self._running)

    def tell_that_it_waits(self, action: str) -> None:
        """Tell the client that an ending waits for its cell, which nothing breaks. Any thread."""
        what = "the restart" if action == "restart" else "the end of the kernel"
        text = (
            "The running cell is inside code that is not Python and cannot be broken: "
            f"{what} follows when that code returns.\n"
        )
        self._tell(text, self.get_parent("shell"))

    def tell_that_it_shares(self) -> None:
        """Tell a client, at its first cell, if another notebook holds the kernel too."""
        parent = self.get_parent("shell")
        if self._sharing.is_news(parent.get("header", {})):
            text = (
                f"This kernel is shared: another notebook is open on this {self.owner.host.name} "
                "(names are common to both, and a restart is a restart for both).\n"
            )
            self._tell(text, parent)

    def tell_late(self, text: str) -> None:
        """Show, under the last cell, the error of a callback that a cell left behind."""
        self._tell(text, self.get_parent("shell"))

    def _tell(self, text: str, parent: Mapping[str, Any]) -> None:
        content = {"name": "stderr", "text": text}
        self.session.send(self.iopub_socket, "stream", content, parent, ident=b"stream.stderr")

    async def dispatch_shell(self, msg: Any, /, *args: Any, **kwargs: Any) -> None:
        """Serve a request in a fresh turn of the host; none while the kernel ends or restarts."""
        if not self.owner.interrupter.here:
            await super().dispatch_shell(msg, *args, **kwargs)
            return
        if self._gives_up:
            return
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            if not self._aborting:  # a request aborted after an error takes no time
                await self.owner.driver.fresh_turn()
            await self._open.wait()
            self._running.add(task)
            self._idle.clear()
            # Upstream: an interrupt may come between a cell and its reply, or its "idle".
            with self.owner.interrupter.shielded():
                await super().dispatch_shell(msg, *args, **kwargs)
        except asyncio.CancelledError:
            # Upstream: logs the cancellation with a traceback, for each request.
            if not self._gives_up:
                raise
        except GeneratorExit:
            raise
        except BaseException as error:
            # Upstream: the error ends the task, and the client waits for ever. A cell's signal
            # handler may raise at any instruction, and so may an asynchronous exception.
            note_stray(error)
            self.end_request(msg, error)
        finally:
            self._requests.discard(task)
            self._running.discard(task)
            self.owner.interrupter.disarm()
            if not self._running:  # a comm message overtakes a cell that awaits
                self._idle.set()

    async def quiesce(self, seconds: float | None) -> None:
        """Let no further request begin, and wait until none runs.

        Args:
            seconds: how long to wait at most, None for no limit.
        """
        self._open.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    def reopen(self) -> None:
        """Count a restart, and serve the requests that were held back during it."""
        self._renewals += 1
        self._open.set()

    def cancel_requests(self) -> None:
        """Give up all requests that have not ended, and take no more."""
        self._gives_up = True
        for task in self._requests:
            task.cancel()

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Set the request for the kernel's own streams too.

        Upstream: sets it on ``sys.stdout`` and ``sys.stderr``, which the host may have replaced.
        """
        super().set_parent(ident, parent, channel)
        if channel == "shell":
            for stream in self.owner.streams:
                stream.set_parent(parent)

    # Signals. Upstream: sets SIGINT's handler around every message and every async cell.

    def pre_handler_hook(self) -> None:
        """Leave SIGINT alone."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT alone."""

    @contextmanager
    def _cancel_on_sigint(self, future: asyncio.Future[Any]) -> Iterator[None]:
        interrupter = self.owner.interrupter
        interrupter.cancel = Cancel(self.io_loop.asyncio_loop, future)
        try:
            yield
        finally:
            interrupter.cancel = None

    def _send_interrupt_children(self) -> None:
        # Upstream: sends SIGINT to the process, or to its whole group.
        self.owner.interrupter.fire()

    @boundary
    def _with_callbacks(self, handler: Callable[..., Any], *args: Any) -> Any:
        # Comms call the user's code.
        with self._told_to_plugins(args[-1]), self._contained(), self.shell.step():
            return handler(*args)

    @contextmanager
    def _contained(self) -> Iterator[None]:
        # From a task, asyncio re-raises these errors in the code that runs the loop: the host.
        try:
            yield
        except (KeyboardInterrupt, SystemExit) as error:
            self.owner.forks.leave_child(error)
            self.shell.showtraceback()
        finally:
            self.owner.forks.leave_child()

    @contextmanager
    def _told_to_plugins(self, message: Mapping[str, Any]) -> Iterator[None]:
        if not self.owner.interrupter.here:  # in a subshell
            yield
            return
        self.owner.comm_begins(message)
        try:
            yield
        finally:
            self.owner.comm_ended(message)

    def _forward_input(self, allow_stdin: bool = False) -> None:
        # Upstream: replaces ``builtins.input`` and ``getpass.getpass`` until the cell has ended,
        # so the host finds them while the cell awaits. Here they are names of the session.
        self._allow_stdin = allow_stdin

    def _restore_input(self) -> None:
        """Do nothing, see :meth:`_forward_input`."""

    @boundary
    async def do_execute(self, code: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a cell, and return an error reply if the shell itself fails.

        Upstream: an interrupt at the very start or end of a cell leaves it without a reply.
        """
        if self.owner.interrupter.here:
            self.shell.asked_script = Script.asked_for(self.get_parent("shell"))
            self.shell.expect_cell()
        try:
            with self.owner.interrupter.shielded(False):
                reply: dict[str, Any] = await super().do_execute(code, *args, **kwargs)
        except (KeyboardInterrupt, SystemExit, Exception) as error:
            log.debug("the shell failed", exc_info=True)
            return self._failure(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or self._gives_up:
                raise
            task.uncancel()  # a cell has cancelled every task of the loop
            return self._failure(error)
        return reply

    def raw_input(self, prompt: str = "") -> str:
        """Ask the client, or call the host's ``input()`` if no cell is the caller.

        Refuse where the host must never wait for a person.
        """
        if not self.shell.descends_from_cell:
            return str(self.owner.names.of_host("builtins.input")(prompt))
        self._refuse_to_wait("input()")
        answer: str = super().raw_input(prompt)
        return answer

    def getpass(self, *args: Any, **kwargs: Any) -> str:
        """Ask for a password, as :meth:`raw_input` asks for a line."""
        if not self.shell.descends_from_cell:
            return str(self.owner.names.of_host("getpass.getpass")(*args, **kwargs))
        self._refuse_to_wait("getpass()")
        answer: str = super().getpass(*args, **kwargs)
        return answer

    def _refuse_to_wait(self, what: str) -> None:
        if self.owner.settings.stdin == "refuse":
            message = (
                f'{what} is refused here, since kernel.stdin = "refuse": '
                f"{self.owner.host.name} would stand still until somebody answers"
            )
            raise StdinNotImplementedError(message)

    @boundary
    def do_complete(self, code: str, cursor_pos: int) -> Any:
        """Complete within a step of the session, since that may run the user's code."""
        with self._contained(), self.shell.step():
            return super().do_complete(code, cursor_pos)
        return {**_NO_COMPLETIONS, "cursor_start": cursor_pos, "cursor_end": cursor_pos}

    @boundary
    def do_inspect(self, *args: Any, **kwargs: Any) -> Any:
        """Inspect within a step of the session, since that may run the user's code."""
        with self._contained(), self.shell.step():
            return super().do_inspect(*args, **kwargs)
        return dict(_NO_INSPECTION)

    # Endings. Upstream: kills the host's children and stops loops that may be the host's.

    async def shutdown_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Reply, and leave the rest to the exit policy."""
        restart = bool(parent["content"].get("restart", False))
        content = {"status": "ok", "restart": restart}
        if restart:  # before the reply: a cell sent after the reply must not be interrupted
            self.owner.endings.shutdown_requested(restart=True)
        self.session.send(stream, "shutdown_reply", content, parent, ident=ident)
        if not restart:  # after the reply: the kernel may be gone by then
            self.owner.endings.shutdown_requested(restart=False)

    async def hostkernel_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Serve hostkernel's own control message, which no policy blocks.

        Content: ``{"action": "stop" | "restart" | "interrupt" | "status", "exit_host": bool}``,
        or ``{"action": "attach" | "detach", "holder": ...}``, see :class:`Holder`; with
        ``"look": true`` the title is read again if the kernel is idle. The reply is a
        ``hostkernel_reply`` with ``status`` ``"ok"``, ``state`` ``"busy"`` or ``"idle"``,
        ``title``, ``holders`` and ``renewals``, the number of restarts in place; or with
        ``status`` ``"error"``, ``ename`` and ``evalue``.
        """
        try:
            if parent["content"].get("look") and not self.is_busy:
                await self._look_at_title()
            reply = self._obey(parent["content"])
        except Exception as error:
            reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        self.session.send(stream, "hostkernel_reply", reply, parent, ident=ident)

    def _obey(self, content: Mapping[str, Any]) -> dict[str, Any]:
        action = str(content["action"])
        if action == "attach":
            self._sharing.attach(content["holder"])
        elif action == "detach":
            self._sharing.detach(content["holder"])
        else:
            self.owner.endings.request(action, exit_host=bool(content.get("exit_host")))
        state = "busy" if self.is_busy else "idle"
        holders, renewals = self._sharing.holders, self._renewals
        title = self.owner.title
        answer = {"state": state, "title": title, "holders": holders, "renewals": renewals}
        return {"status": "ok", **answer}

    async def _look_at_title(self) -> None:
        """Have the kernel's thread read the title, and wait briefly for it. Control thread."""
        seen, here = asyncio.Event(), asyncio.get_running_loop()

        def look() -> None:
            self.owner.look_at_title()
            here.call_soon_threadsafe(seen.set)

        self.io_loop.asyncio_loop.call_soon_threadsafe(look)
        with suppress(TimeoutError):
            await asyncio.wait_for(seen.wait(), _LOOK)

    # Subshells run cells on another thread, which is fatal to most hosts' API.

    @property
    def kernel_info(self) -> dict[str, Any]:
        """Offer no subshells unless the host is thread-safe. Upstream: offers them."""
        info: dict[str, Any] = super().kernel_info
        if not self.owner.host.thread_safe:
            info["supported_features"].remove("kernel subshells")
        return info
