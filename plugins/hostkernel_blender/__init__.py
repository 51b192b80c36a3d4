"""Blender: in its window, in the background, or as the ``bpy`` module of this Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostkernel.hookspecs import hookimpl

from .adapter import BlenderHost, BlenderSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostkernel.host import Host

__all__ = [
    "BlenderHost",
    "BlenderSettings",
    "hostkernel_extensions",
    "hostkernel_hosts",
    "hostkernel_namespace",
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
    """``%viewport``, ``%render``, and pictures as results."""
    return (f"{__name__}.magics",) if isinstance(host, BlenderHost) else ()
