"""The frames of the user's code, and the kernel's function that called it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import CodeType, FrameType

__all__ = ["awaited_frames", "boundary", "boundary_of", "inner_frames"]

Function = TypeVar("Function", bound="Callable[..., Any]")

# The kernel's own code, also where a cell calls it: these functions have state to put back.
_OURS = ("hostkernel.kernel.", "IPython.core.interactiveshell", "ipykernel.")
_LOOPS = ("asyncio.base_events", "asyncio.events")
_boundaries: set[CodeType] = set()


def boundary(function: Function) -> Function:
    """Mark a function that calls the user's code: interrupts need not go beyond its frame."""
    _boundaries.add(function.__code__)
    return function


def inner_frames(frame: FrameType | None) -> list[FrameType]:
    """Return the frames from ``frame`` to the boundary, innermost first, without the kernel's."""
    frames, _ = boundary_of(frame)
    return _without_ours(frames)


def _without_ours(frames: list[FrameType]) -> list[FrameType]:
    names = [str(each.f_globals.get("__name__")) for each in frames]
    return [
        each
        for each, name in zip(frames, names, strict=True)
        if name not in _LOOPS and not name.startswith(_OURS)
    ]


def boundary_of(frame: FrameType | None) -> tuple[list[FrameType], FrameType | None]:
    """Return all frames from ``frame`` to the boundary, and the boundary's frame or None."""
    frames = []
    while frame is not None and frame.f_code not in _boundaries:
        frames.append(frame)
        frame = frame.f_back
    return frames, frame


def awaited_frames(coroutine: Coroutine[Any, Any, Any]) -> list[FrameType]:
    """Do what :func:`inner_frames` does, for a suspended coroutine and what it awaits."""
    frames = [*_chain(coroutine)][::-1]
    codes = [frame.f_code for frame in frames]
    inner = next((n for n, code in enumerate(codes) if code in _boundaries), len(frames))
    return _without_ours(frames[:inner])


def _chain(awaited: Any) -> Iterator[FrameType]:
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, f"{kind}_await", getattr(awaited, "gi_yieldfrom", None))
                break
        else:
            return
