"""Every hook a plugin may implement, and the markers to do it with.

Mark an implementation with :data:`hookimpl` and name it as below. Arguments may be left
out. Wrapper implementations are refused: the core calls plugin by plugin so that a failure
has a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from .host import Host, HostLoop, HostPaths, Kernel

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "hostkernel"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a function as the implementation of the hook that has its name."""


@hookspec
def hostkernel_hosts() -> Iterable[type[Host]]:
    """Called on both sides when the hosts are collected: the adapter classes you bring.

    A name that two plugins claim is an error that names both.
    """
    return ()


@hookspec(firstresult=True)
def hostkernel_paths(host: Host) -> HostPaths | None:
    """Called on both sides before a file is touched: where ``host``'s files live.

    None leaves it to the next plugin, and at last to ``host.paths()``.
    """


@hookspec(firstresult=True)
def hostkernel_loop(host: Host) -> HostLoop | None:
    """Called inside the host at start, on its main thread: the loop to pump through.

    None leaves it to the next plugin, and at last to ``host.loop()``.
    """


@hookspec
def hostkernel_namespace(host: Host) -> Mapping[str, object]:
    """Called inside the host for each fresh namespace: names that cells start with."""
    return {}


@hookspec
def hostkernel_extensions(host: Host) -> Iterable[str]:
    """Called inside the host for each fresh shell: IPython extensions to load, by module."""
    return ()


@hookspec
def hostkernel_started(kernel: Kernel) -> None:
    """Called inside the host, on its main thread, once the connection file exists."""


@hookspec
def hostkernel_stopped(kernel: Kernel, reason: str) -> None:
    """Called inside the host, on its main thread, once nothing of the kernel is left.

    ``reason`` says who ended it, such as ``"stop()"`` or ``"client"``.
    """


@hookspec
def hostkernel_pre_run_cell(kernel: Kernel, cell: str) -> None:
    """Called inside the host, on its main thread, before a cell's source is run."""


@hookspec
def hostkernel_post_run_cell(kernel: Kernel, cell: str, result: object) -> None:
    """Called inside the host, on its main thread, after a cell.

    ``result`` is IPython's ``ExecutionResult``. Raising here leaves the reply intact.
    """


@hookspec
def hostkernel_pre_comm_message(kernel: Kernel, message: Mapping[str, object]) -> None:
    """Called inside the host, on its main thread, before a comm message is handled.

    Comm messages carry what a user does to a widget: its callbacks run, outside of any cell.
    ``message`` is the Jupyter message.
    """


@hookspec
def hostkernel_post_comm_message(kernel: Kernel, message: Mapping[str, object]) -> None:
    """Called inside the host, on its main thread, after a comm message was handled."""
