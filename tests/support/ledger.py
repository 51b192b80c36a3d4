"""Everything process-wide that a kernel might change, read inside a host."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import gc
import getpass
import linecache
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from hostkernel.kernel.process import sigaction as signals

__all__ = ["Ledger"]

# Functions that libraries are known to replace.
_PATCHED = {
    "pdb": ("Pdb", "set_trace"),
    "faulthandler": ("enable", "register"),
    "comm": ("create_comm", "get_comm_manager"),
    "IPython.core.debugger": ("Pdb",),
    "ipykernel.ipkernel": ("_comm_manager",),
    "zmq": ("Context",),
    "os": ("fork", "_exit", "system"),
    "subprocess": ("Popen", "run"),
    "multiprocessing.spawn": ("get_executable",),
    "getpass": ("getpass",),
}
_SYS = (
    *("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__"),
    *("displayhook", "excepthook", "__displayhook__", "__excepthook__", "unraisablehook"),
    *("breakpointhook", "ps1", "ps2", "ps3", "path", "argv", "executable", "exit"),
)
_THREADING = ("excepthook", "_trace_hook", "_profile_hook")
_ABSENT = "absent"


class Ledger:
    """A reading: ``same`` holds objects that must be the very same, ``equal`` plain values."""

    def __init__(self) -> None:
        gc.collect()
        self.same: dict[str, object] = {}
        self.equal: dict[str, object] = {}
        self._read_python()
        self._read_patched()
        self._read_signals()
        self._read_logging()
        self._read_asyncio()
        self._read_jupyter()
        self._read_process()

    def _note(self, place: str, owner: object, names: Any) -> None:
        for name in names:
            self.same[f"{place}.{name}"] = getattr(owner, name, _ABSENT)

    def _read_python(self) -> None:
        self._note("sys", sys, _SYS)
        self._note("builtins", builtins, dir(builtins))
        self.equal["dir(builtins)"] = sorted(vars(builtins))
        self._note("threading", threading, _THREADING)
        self._note("threading.Thread", threading.Thread, ("run", "__init__", "start"))
        for name in ("path", "meta_path", "path_hooks", "argv"):
            self.equal[f"list of sys.{name}"] = list(getattr(sys, name))
        main = self.same['sys.modules["__main__"]'] = sys.modules["__main__"]
        for name, found in vars(main).items():
            self.same[f"__main__.{name}"] = found
        self.equal["dir(__main__)"] = sorted(vars(main))
        self.same["warnings.filters"] = warnings.filters
        self.equal["list of warnings.filters"] = list(warnings.filters)
        self._note("warnings", warnings, ("showwarning", "formatwarning", "warn"))
        self._note("linecache", linecache, ("checkcache", "getlines", "updatecache"))
        self.equal["trace"] = (sys.gettrace(), sys.getprofile(), threading.gettrace())
        self.equal["asyncgen hooks"] = tuple(sys.get_asyncgen_hooks())
        self.equal["limits"] = (sys.getrecursionlimit(), sys.getswitchinterval())
        self.equal["gc"] = (gc.isenabled(), gc.get_threshold(), list(gc.callbacks))

    def _read_patched(self) -> None:
        for module, names in _PATCHED.items():
            if module in sys.modules:
                self._note(module, sys.modules[module], names)
        self.same["getpass.getpass"] = getpass.getpass

    def _read_signals(self) -> None:
        for number in signal.valid_signals():
            self.equal[f"action of signal {number}"] = signals.action(number)
            self.equal[f"handler of signal {number}"] = signal.getsignal(number)
        self.equal["blocked signals"] = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        if threading.current_thread() is threading.main_thread():
            wakeup = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(wakeup)
            self.equal["wakeup descriptor"] = wakeup

    def _read_logging(self) -> None:
        loggers = {"root": logging.getLogger()} | {
            name: logger
            for name, logger in logging.Logger.manager.loggerDict.items()
            if isinstance(logger, logging.Logger)
        }
        for name, logger in loggers.items():
            state = (list(logger.handlers), list(logger.filters), logger.level)
            self.equal[f"logger {name}"] = (*state, logger.disabled, logger.propagate)
            for handler in logger.handlers:
                stream = getattr(handler, "stream", None)
                self.equal[f"handler {handler}"] = (handler.level, handler.formatter, stream)
        self._note("logging", logging, ("lastResort", "_loggerClass", "_logRecordFactory"))
        self.equal["logging.disable"] = logging.root.manager.disable
        handlers = [reference() for reference in logging._handlerList]
        self.equal["logging handlers"] = len([h for h in handlers if not _is_inert(h)])

    def _read_asyncio(self) -> None:
        policy = self.same["asyncio policy"] = asyncio.get_event_loop_policy()
        local = getattr(policy, "_local", None)
        self.same["asyncio current loop"] = getattr(local, "_loop", None)
        self.same["asyncio running loop"] = asyncio._get_running_loop()

    def _read_jupyter(self) -> None:
        configurable = sys.modules.get("traitlets.config.configurable")
        if isinstance(configurable, ModuleType):
            classes = _subclasses(configurable.SingletonConfigurable)
            for cls in classes:
                self.same[f"instance of {cls.__qualname__}"] = cls._instance
        zmq = sys.modules.get("zmq")
        if zmq is not None:
            self.same["zmq.Context instance"] = zmq.Context._instance

    def _read_process(self) -> None:
        self.equal["environment"] = dict(os.environ)
        self.equal["folder"] = Path.cwd()
        self.equal["threads"] = sorted(thread.name for thread in threading.enumerate())
        self.equal["native threads"] = len(list(Path("/proc/self/task").iterdir()))
        self.equal["descriptors"] = descriptors()
        self.equal["socket timeout"] = socket.getdefaulttimeout()
        self.equal["files"] = sorted(_files("JUPYTER_RUNTIME_DIR", "TMPDIR", "XDG_RUNTIME_DIR"))

    @property
    def atexit_count(self) -> int:
        """How many functions are registered, as far as Python tells: empty places count."""
        return atexit._ncallbacks()

    def differences(self) -> list[str]:
        """What is no longer as it was at this reading."""
        now = Ledger()
        changed = [
            f"{name}: {before!r} -> {now.same.get(name, _ABSENT)!r}"
            for name, before in self.same.items()
            if now.same.get(name, _ABSENT) is not before
        ]
        changed += [
            f"{name}: {_shorter(before, now.equal.get(name, _ABSENT))}"
            for name, before in self.equal.items()
            if now.equal.get(name, _ABSENT) != before
        ]
        return changed + now._new_state_since(self)

    def _new_state_since(self, before: Ledger) -> list[str]:
        # Modules loaded since may add loggers and singleton classes, but not in use.
        loggers = [
            f"{name}: {state!r} is new"
            for name, state in self.equal.items()
            if name.startswith("logger ") and name not in before.equal
            if state[3] or not all(map(_is_inert, state[0]))  # type: ignore[index]
        ]
        return loggers + [
            f"{name}: {found!r} is new"
            for name, found in self.same.items()
            if name.startswith(("instance of ", "zmq.Context inst", "ipykernel.ipkernel."))
            if name not in before.same and found is not None
        ]


def _is_inert(handler: object) -> bool:
    # Libraries give themselves one of these when they are imported.
    return handler is None or isinstance(handler, logging.NullHandler)


def _subclasses(cls: type) -> set[type]:
    found = {cls}
    for subclass in cls.__subclasses__():
        found |= _subclasses(subclass)
    return found


def descriptors() -> dict[str, str]:
    """What is open, by number."""
    found = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found[descriptor.name] = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # that which listed them
    return found


def _files(*variables: str) -> list[str]:
    folders = [Path(os.environ[name]) for name in variables if name in os.environ]
    return [str(path) for folder in folders for path in folder.rglob("*")]


def _shorter(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in before | after if before.get(name) != after.get(name)]
        return str({name: (before.get(name), after.get(name)) for name in names})
    if isinstance(before, list) and isinstance(after, list):
        gone = [item for item in before if item not in after]
        return f"gone {gone!r}, new {[item for item in after if item not in before]!r}"
    return f"{before!r} -> {after!r}"
