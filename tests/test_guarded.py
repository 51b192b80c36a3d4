"""Calls from C that no stray exception leaves."""

from __future__ import annotations

import ctypes
import gc
import operator
import signal
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from hostkernel.host import guard, guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class StrayError(Exception):
    """What a signal handler raises."""


@pytest.fixture
def signalled() -> Iterator[Callable[[], object]]:
    """Leaves a signal pending whose handler raises, if C code calls it."""

    def handle(_number: int, _frame: object) -> None:
        raise StrayError

    before = signal.signal(signal.SIGUSR1, handle)
    yield partial(ctypes.pythonapi.PyErr_SetInterruptEx, int(signal.SIGUSR1))
    signal.signal(signal.SIGUSR1, before)


def in_c(*calls: Callable[[], object]) -> list[object]:
    """Call them one after the other, without an instruction of Python between them."""
    return list(map(operator.call, calls))


def test_what_is_pending_as_it_is_called_stays_outside(signalled: Callable[[], object]) -> None:
    stray: list[BaseException] = []
    calls: list[int] = []

    def function() -> str:
        calls.append(1)
        return "done"

    enter = guarded(function, stray.append)
    for _ in range(3):
        assert in_c(signalled, enter)[1] == "done"
    assert [type(error) for error in stray] == [StrayError] * 3
    assert len(calls) == 3


def test_a_call_that_fails_returns_what_was_wished(signalled: Callable[[], object]) -> None:
    stray: list[BaseException] = []

    def function() -> float:
        in_c(signalled, lambda: None)
        return 0.0

    enter = guarded(function, stray.append, failed=1.0)
    assert [enter(), enter()] == [1.0, 1.0]
    assert [type(error) for error in stray] == [StrayError] * 2


def test_the_plain_function_would_let_it_out(signalled: Callable[[], object]) -> None:
    with pytest.raises(StrayError):
        in_c(signalled, lambda: None)


def test_what_the_function_raises_stays_inside() -> None:
    stray: list[BaseException] = []

    def fail() -> None:
        raise SystemExit(3)

    enter = guarded(fail, stray.append)
    assert enter() is None
    assert enter() is None
    assert [type(error) for error in stray] == [SystemExit, SystemExit]


def test_it_may_be_called_while_it_runs() -> None:
    depth = 0

    def function() -> int:
        nonlocal depth
        depth += 1
        return depth if depth % 5 == 0 else enter() or 0

    enter = guarded(function)
    assert [enter(), enter()] == [5, 10]


def test_an_error_that_passes_is_raised_and_the_next_call_works() -> None:
    main = threading.get_ident()

    def function() -> str:
        if threading.get_ident() != main:
            raise ZeroDivisionError
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return "here"

    passed: list[BaseException] = []

    def elsewhere() -> None:
        try:
            enter()
        except ZeroDivisionError as error:
            passed.append(error)

    enter = guarded(function, passes=(ZeroDivisionError,))
    assert [enter(), enter(), enter()] == ["here"] * 3
    assert len(passed) == 3


def test_an_event_handler_drops_its_event() -> None:
    class Receiver:
        event: Callable[[object], object]

    seen: list[int] = []
    receiver = Receiver()
    guard(receiver, "event", lambda: seen.append(1))
    receiver.event("an event")
    receiver.event("another")
    assert seen == [1, 1]


def test_nothing_stays_of_it() -> None:
    class Receiver:
        pass

    receiver: Any = Receiver()
    guard(receiver, "event", lambda: None)
    receiver.event(None)
    gone = weakref.ref(receiver)
    del receiver
    gc.collect()
    assert gone() is None
