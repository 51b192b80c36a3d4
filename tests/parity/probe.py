"""What runs in the kernel behind the last cell of a case: it looks at the process, and cleans up.

A kernel in which a case has left something else than it found gets no other case.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

__all__ = ["clean"]

_SYS = ("stdout", "stderr", "stdin", "displayhook", "excepthook", "breakpointhook")
_BUILTINS = ("print", "input", "open", "len", "exit")
_MODULES = ("json", "traceback", "asyncio", "re", "IPython", "ipykernel", "zmq")
_SIGNALS = (*range(1, 9), 10, 12, 14, 23)
# What Python itself put into __main__ is not the cells'.
_PYTHONS_OWN = ("__builtins__", "__doc__", "__file__", "__loader__", "__package__", "__spec__")


def clean(folder: str) -> list[Any]:
    """Forget what cells defined; how the process was found."""
    shell = get_ipython()
    found = _process() + _shell(shell)
    os.chdir(folder)
    kept = {name: shell.user_ns[name] for name in _PYTHONS_OWN if name in shell.user_ns}
    shell.reset()
    shell.user_ns.update(kept)
    # The libraries that are imported by now are never garbage. To look through them after each
    # case would take longer than the cases.
    gc.freeze()
    return found


def _process() -> list[Any]:
    matplotlib = sys.modules.get("matplotlib")
    backend = dict.get(getattr(matplotlib, "rcParams", {}), "backend")
    return [
        [_name(getattr(sys, each)) for each in _SYS],
        [getattr(getattr(sys, each), "closed", None) for each in _SYS[:3]],
        [_name(getattr(builtins, each, None)) for each in _BUILTINS],
        [_name(signal.getsignal(each)) for each in _SIGNALS],
        [each in sys.modules for each in _MODULES],
        # An import of matplotlib takes the backend of Jupyter's out again.
        [str(Path.cwd()), {**os.environ, "MPLBACKEND": ""}, sys.path, sys.argv, gc.isenabled()],
        [_name(sys.gettrace()), _name(sys.getprofile()), _name(threading.gettrace())],
        [sys.getrecursionlimit(), _name(threading.excepthook), _name(sys.unraisablehook)],
        # Those of executors, timers and libraries wait for nothing that a case does.
        sorted(each.name for each in threading.enumerate() if "(" in each.name),
        [logging.root.level, *map(_name, logging.root.handlers)],
        "inline" in str(backend) or not isinstance(backend, str),
        [_name(asyncio.get_event_loop_policy()), _name(asyncio.Task)],
        _name(asyncio.get_running_loop().get_exception_handler()),
    ]


def _shell(shell: Any) -> list[Any]:
    return [
        [shell.InteractiveTB.mode, shell.call_pdb, shell.custom_exceptions],
        [shell.ast_node_interactivity, shell.autoawait, shell.colors],
        sorted(shell.extension_manager.loaded),
    ]


def _name(thing: object) -> str:
    return f"{type(thing).__module__}.{getattr(thing, '__qualname__', type(thing).__name__)}"
