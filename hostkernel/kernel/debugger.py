"""ipykernel's debugger, imported when a client first asks something of it.

It brings more than a hundred modules into the host, and takes a sixth of a kernel's start.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel
from traitlets import Any as AnyTrait

from .residue import restore_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LateDebuggerKernel"]

_MODULE = "ipykernel.debugger"


@contextmanager
def _set_aside() -> Iterator[None]:
    # Who imports it meanwhile is told that there is no debugger.
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


class LateDebuggerKernel(IPythonKernel):
    """The original, but for the debugger's late import. All of it in the control thread."""

    # Original: the class by its name, which is imported for each new kernel.
    debugger_class = AnyTrait()
    debugger: Any = None

    def __init__(self, **kwargs: Any) -> None:
        with _set_aside():
            super().__init__(**kwargs)
            self._info: dict[str, Any] = super().kernel_info
        self._debugged = asyncio.Event()

    @property
    def kernel_info(self) -> dict[str, Any]:
        """Original: imports the debugger to see whether there is one."""
        features = list(self._info["supported_features"])
        if importlib.util.find_spec("debugpy") is not None:
            features.append("debugger")
        return {**self._info, "supported_features": features}

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Original; the first one makes the debugger."""
        if self.debugger is None:
            with _quiet(), self.owner.residue.debugging():
                self._make_debugger()
        return await super().do_debug_request(msg)

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
        """Original: asks the debugger from the start on."""
        await self._debugged.wait()
        await super().poll_stopped_queue()
