"""A real Jupyter kernel inside any application that embeds Python.

Example, inside the application::

    import hostkernel

    hostkernel.start()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import ConnectionInfo
    from .errors import (
        AlreadyRunningError,
        AmbiguousHostError,
        ConfigError,
        ConnectionFileError,
        HostError,
        HostkernelError,
        HostNotFoundError,
        HostVetoError,
        KernelError,
        KernelspecError,
        KernelTimeoutError,
        LaunchError,
        LogError,
        MissingExtraError,
        NotebookError,
        NotRunningError,
        PluginError,
        RequestError,
        ScriptError,
        ScriptNotFoundError,
        SelectionError,
        ShellExistsError,
        StartError,
        UnknownHostError,
        WrongThreadError,
    )
    from .hookspecs import hookimpl
    from .host import (
        Finding,
        Host,
        HostLoop,
        HostPaths,
        HostSettings,
        Installation,
        Launch,
        LaunchRequest,
        PostLoop,
    )
    from .kernel import current, restart, serve, start, stop
    from .kernel.manager import HostKernelManager

__all__ = [
    "AlreadyRunningError",
    "AmbiguousHostError",
    "ConfigError",
    "ConnectionFileError",
    "ConnectionInfo",
    "Finding",
    "Host",
    "HostError",
    "HostKernelManager",
    "HostLoop",
    "HostNotFoundError",
    "HostPaths",
    "HostSettings",
    "HostVetoError",
    "HostkernelError",
    "Installation",
    "KernelError",
    "KernelTimeoutError",
    "KernelspecError",
    "Launch",
    "LaunchError",
    "LaunchRequest",
    "LogError",
    "MissingExtraError",
    "NotRunningError",
    "NotebookError",
    "PluginError",
    "PostLoop",
    "RequestError",
    "ScriptError",
    "ScriptNotFoundError",
    "SelectionError",
    "ShellExistsError",
    "StartError",
    "UnknownHostError",
    "WrongThreadError",
    "current",
    "hookimpl",
    "restart",
    "serve",
    "start",
    "stop",
]

_HOMES = {
    "ConnectionInfo": "connection",
    "HostKernelManager": "kernel.manager",
    "hookimpl": "hookspecs",
    **dict.fromkeys(("current", "restart", "serve", "start", "stop"), "kernel"),
    **dict.fromkeys(
        (
            "Finding",
            "Host",
            "HostLoop",
            "HostPaths",
            "HostSettings",
            "Installation",
            "Launch",
            "LaunchRequest",
            "PostLoop",
        ),
        "host",
    ),
}
"""Where each public name lives; the rest are errors. Resolved late: the kernel is heavy."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
