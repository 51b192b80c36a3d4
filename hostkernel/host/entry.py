"""Calls from C into Python that let no stray exception out.

A signal handler may raise at any instruction, and so may another thread, by
``PyThreadState_SetAsyncExc``. Where a host sleeps in C, that is the very first instruction of the
next Python function it calls, before any ``try`` of that function: the host gets the exception
and may drop the timer that called, or end. A suspended generator waits inside its ``try``, so it
catches whatever is raised as it resumes. ``ctypes`` callbacks swallow exceptions too, but print
them as "ignored" and take the GIL a second time.
"""

from __future__ import annotations

import logging
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["guard", "guarded", "note_stray"]

log = logging.getLogger("hostkernel.kernel")

T = TypeVar("T")
F = TypeVar("F")


def note_stray(error: BaseException) -> None:
    """Log an exception that was raised while no cell ran, and that is reported nowhere else."""
    # Ctrl-C is one: an application that sleeps in C does not see it either.
    log.warning("%r was raised while no cell was running; the kernel goes on", error)
    log.debug("it was raised here", exc_info=error)


class _Entry:
    """The place where :func:`guarded` finds the generator that takes the next call."""

    call: Callable[[object], object]


def guarded(
    function: Callable[[], T],
    stray: Callable[[BaseException], object] = note_stray,
    *,
    passes: tuple[type[BaseException], ...] = (),
    failed: F = None,  # type: ignore[assignment]
) -> Callable[[], T | F]:
    """Make a callable for C code that calls ``function`` and lets no exception out.

    Called inside, on any thread; the result is for one thread only. The result may be called
    again while it runs.

    Args:
        function: the function to call. An exception before its first line is caught, and the
            function is called all the same.
        stray: called with each exception that was caught; by default it is logged.
        passes: the exceptions of ``function`` that are let out all the same.
        failed: the result of a call in which ``function`` raised.

    Example::

        app.timers.register(guarded(turn))
    """
    entry = _Entry()
    _attendant(entry, "call", function, stray, passes, failed)
    return partial(methodcaller("call", None), entry)


def guard(
    place: object,
    name: str,
    function: Callable[[], object],
    stray: Callable[[BaseException], object] = note_stray,
    *,
    passes: tuple[type[BaseException], ...] = (),
) -> None:
    """Have ``place.name(argument)`` call ``function()``, as :func:`guarded` does.

    Called inside, on any thread. For C code that looks up a method of an object each time,
    such as an event handler; the argument is dropped.
    """
    _attendant(place, name, function, stray, passes, None)


def _attendant(place: object, name: str, *how: Any) -> Any:
    attendant = _attend(place, name, *how)
    next(attendant)
    attendant.send(attendant.send)
    return attendant


def _attend(
    place: object,
    name: str,
    function: Callable[[], object],
    stray: Callable[[BaseException], object],
    passes: tuple[type[BaseException], ...],
    failed: object,
) -> Generator[object, Any]:
    own = yield None
    nested = result = caught = None  # nested: a generator like this one
    while True:
        try:
            while True:
                setattr(place, name, own)
                if caught is not None:
                    noted, caught = caught, None
                    stray(noted)
                try:
                    yield result  # here one call ends and the next begins
                except GeneratorExit:
                    return
                except BaseException as error:
                    caught = error
                result = failed
                # A generator cannot be entered twice: a call within the call finds another.
                if nested is None or nested.gi_frame is None:
                    nested = _attendant(place, name, function, stray, passes, failed)
                setattr(place, name, nested.send)
                result = function()
        except passes:
            raise  # This ends this generator; the nested one has taken its place.
        except BaseException as error:
            caught, result = error, failed
