"""ipykernel's debugger, imported at the first debug request.

The import brings more than a hundred modules into the host, and takes a sixth of a kernel's start.
Some of debugpy's threads and their socket stay for as long as the host lives.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel
from traitlets import Any as AnyTrait

from hostkernel.kernel.process.residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .services import Owner

__all__ = ["LateDebuggerKernel"]

_MODULE = "ipykernel.debugger"
# Where debugpy listens, for ever: a process can make it listen only once.
_address: tuple[str, str] | None = None


@contextmanager
def _set_aside() -> Iterator[None]:
    # Inside, code that imports the module finds no debugger.
    found = sys.modules.get(_MODULE)
    absent = ModuleType(_MODULE)
    vars(absent)["_is_debugpy_available"] = False
    sys.modules[_MODULE] = absent
    try:
        yield
    finally:
        del sys.modules[_MODULE]
        if found is not None:
            sys.modules[_MODULE] = found


@contextmanager
def _quiet() -> Iterator[None]:
    # When first imported, debugpy prints advice on the host's console.
    name = "PYDEVD_DISABLE_FILE_VALIDATION"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        restore_environment({name: before})


def _folder() -> Path:
    # The folder for the files that stand for cells.
    from ipykernel.compiler import get_tmp_directory

    return Path(get_tmp_directory())


def _listen(interpreter: Sequence[str]) -> tuple[str, str]:
    import debugpy

    # debugpy's adapter needs a real Python, which an application's executable is not; and
    # debugpy must not debug the host's child processes.
    debugpy.configure(python=interpreter[0], subProcess=False)
    host, port = debugpy.listen(("127.0.0.1", 0))
    return str(host), str(port)


def _problem(request: dict[str, Any]) -> str | None:
    # Check the base protocol of https://microsoft.github.io/debug-adapter-protocol: debugpy does
    # not reply to anything else, and the control channel would wait for ever.
    kinds = {"seq": int, "type": str, "command": str}
    for field, kind in kinds.items():
        if not isinstance(request.get(field), kind):
            return f"a debug request needs {field!r}, of type {kind.__name__}"
    if request["type"] != "request":
        return f"a debug request has the type 'request', not {request['type']!r}"
    return None


def _refusal(request: dict[str, Any], message: str) -> dict[str, Any]:
    return {
        "type": "response",
        "request_seq": request.get("seq", 0),
        "command": request.get("command", ""),
        "success": False,
        "message": message,
    }


class LateDebuggerKernel(IPythonKernel):
    """ipykernel's kernel with a late import of the debugger, in the control thread."""

    owner: Owner = AnyTrait()
    # Upstream: the class by its name, which each new kernel imports.
    debugger_class = AnyTrait()
    debugger: Any = None

    def __init__(self, **kwargs: Any) -> None:
        with _set_aside():
            super().__init__(**kwargs)
            self._info: dict[str, Any] = super().kernel_info
        self._debugged = asyncio.Event()
        self._trace = sys.gettrace()

    @property
    def kernel_info(self) -> dict[str, Any]:
        """Offer the debugger if debugpy is installed. Upstream: imports it to find out."""
        features = list(self._info["supported_features"])
        if importlib.util.find_spec("debugpy") is not None:
            features.append("debugger")
        return {**self._info, "supported_features": features}

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Do what upstream does; make the debugger if necessary, and always return a reply."""
        if problem := _problem(msg):
            return _refusal(msg, problem)
        if self.debugger is None:
            with _quiet(), self.owner.residue.debugging():
                self._make_debugger()
        if self.debugger is not None and msg["command"] == "initialize":
            try:
                with self.owner.residue.tracing():
                    self._start_debugpy()
            except Exception as error:
                return _refusal(msg, f"debugpy cannot be started: {error}")
        try:
            return await super().do_debug_request(msg)
        except Exception as error:
            return _refusal(msg, f"{type(error).__name__}: {error}")

    def _start_debugpy(self) -> None:
        # Upstream: sends a request to the kernel's own shell channel and waits for the reply, so
        # the whole control channel waits for as long as a cell runs.
        global _address
        debugger, client = self.debugger, self.debugger.debugpy_client
        if debugger.debugpy_initialized:
            return
        _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        if _address is None:
            # A thread that ends: debugpy traces the thread that makes it listen.
            with ThreadPoolExecutor(1) as asking:
                _address = asking.submit(_listen, self.owner.host.interpreter()).result()
        client.debugpy_host, client.debugpy_port = _address
        debugger.debugpy_initialized = True

    def trace_cell(self) -> None:
        """Trace the kernel's thread if the debugger has started. On that thread, before each cell.

        debugpy traces other threads with a library that it does not ship for every machine; and
        an interrupt that hits the trace function makes Python end the tracing.
        """
        if self.debugger is not None and self.debugger.is_started and sys.gettrace() is None:
            import debugpy

            debugpy.trace_this_thread(True)

    def leave_debugger(self) -> None:
        """End tracing and remove the files of cells. On the kernel's thread, at its stop."""
        if self.debugger is None:
            return
        if sys.gettrace() is not self._trace:
            import debugpy

            debugpy.trace_this_thread(False)
        shutil.rmtree(_folder(), ignore_errors=True)

    def _make_debugger(self) -> None:
        from ipykernel.debugger import Debugger, _is_debugpy_available

        if not _is_debugpy_available:
            return
        self.debugger = Debugger(
            self.log,
            self.debugpy_stream,
            self._publish_debug_event,
            self.debug_shell_socket,
            self.session,
            self._kernel_modules,
            self.debug_just_my_code,
            self.filter_internal_frames,
        )
        self._debugged.set()

    async def poll_stopped_queue(self) -> None:
        """Poll once there is a debugger. Upstream: polls from the kernel's start on."""
        await self._debugged.wait()
        await super().poll_stopped_queue()
