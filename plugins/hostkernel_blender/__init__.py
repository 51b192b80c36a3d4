"""Blender: in its window, in the background, or as the ``bpy`` module of this Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostkernel.hookspecs import hookimpl

from .adapter import BlenderHost, BlenderSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostkernel.host import Host, Kernel

__all__ = [
    "BlenderHost",
    "BlenderSettings",
    "hostkernel_extensions",
    "hostkernel_hosts",
    "hostkernel_namespace",
    "hostkernel_post_comm_message",
    "hostkernel_post_run_cell",
    "hostkernel_pre_comm_message",
    "hostkernel_pre_run_cell",
    "hostkernel_started",
    "hostkernel_stopped",
]


@hookimpl
def hostkernel_hosts() -> Iterable[type[Host]]:
    """The one adapter for all three kinds of Blender."""
    return (BlenderHost,)


@hookimpl
def hostkernel_namespace(host: Host) -> Mapping[str, object]:
    """``bpy``, ``C`` and ``D``, as Blender's own console has them."""
    if not isinstance(host, BlenderHost):
        return {}
    import bpy

    return {"bpy": bpy, "C": bpy.context, "D": bpy.data}


@hookimpl
def hostkernel_extensions(host: Host) -> Iterable[str]:
    """``%viewport``, ``%render``, pictures as results, dead references, the startup script."""
    modules = ("magics", "references", "startup")
    extensions = (f"{__name__}.inside.{module}" for module in modules)
    return extensions if isinstance(host, BlenderHost) else ()


@hookimpl
def hostkernel_pre_run_cell(kernel: Kernel) -> None:
    """What the cell changes will be one undo step."""
    if isinstance(kernel.host, BlenderHost):
        kernel.host.cell_begins()


@hookimpl
def hostkernel_post_run_cell(kernel: Kernel, cell: str, result: object) -> None:
    """Push the cell's undo step."""
    if isinstance(kernel.host, BlenderHost):
        kernel.host.cell_ended(getattr(result, "execution_count", None), cell)


@hookimpl
def hostkernel_pre_comm_message(kernel: Kernel) -> None:
    """What a widget's callbacks change will be one undo step."""
    if isinstance(kernel.host, BlenderHost):
        kernel.host.comm_begins()


@hookimpl
def hostkernel_post_comm_message(kernel: Kernel, message: Mapping[str, Any]) -> None:
    """Push the callbacks' undo step."""
    if isinstance(kernel.host, BlenderHost):
        kernel.host.comm_ended(message["content"])


@hookimpl
def hostkernel_stopped(kernel: Kernel, reason: str) -> None:
    """Leave no handler behind in Blender, unless it is ending and its data is gone already."""
    if isinstance(kernel.host, BlenderHost) and reason != "the host ended":
        kernel.host.leave()
        _redraw(kernel)


@hookimpl
def hostkernel_started(kernel: Kernel) -> None:
    """Run the startup script; the add-on's panel shows the state."""
    if isinstance(kernel.host, BlenderHost):
        kernel.host.started()
    _redraw(kernel)


def _redraw(kernel: Kernel) -> None:
    if isinstance(kernel.host, BlenderHost):
        from .inside.panel import redraw

        redraw()
