"""The pump: asyncio in slices, driven by a loop that is not asyncio."""

from __future__ import annotations

import asyncio
import importlib.util
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hostkernel.errors import WrongThreadError
from hostkernel.kernel.guest import pump as pump_module
from hostkernel.kernel.guest import waiter as waiter_module
from hostkernel.kernel.guest.pump import BrokenLoopError, Pump, run_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 20.0


class MainLoop:
    """A main loop as applications have them: it runs what is posted to it."""

    def __init__(self, pump: Pump) -> None:
        self.posted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.pump = pump
        self.ticks = 0
        pump.start(lambda: self.posted.put("wake"))

    def run_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, "the pump did not get there"
            self.posted.get(timeout=SECONDS)
            self.pump.tick()
            self.ticks += 1


@pytest.fixture
def pump() -> Iterator[Pump]:
    pump = Pump(budget=0.05)
    yield pump
    pump.close()
    pump.loop.close()


@pytest.fixture
def main(pump: Pump) -> MainLoop:
    return MainLoop(pump)


def test_callbacks_from_other_threads_bring_about_a_slice(pump: Pump, main: MainLoop) -> None:
    seen: list[int] = []

    def post() -> None:
        for number in range(1000):
            pump.loop.call_soon_threadsafe(seen.append, number)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    main.run_until(lambda: len(seen) == 4000)
    for thread in threads:
        thread.join()


def test_everything_runs_on_the_thread_that_ticks(pump: Pump, main: MainLoop) -> None:
    seen: list[int] = []
    threading.Thread(
        target=lambda: pump.loop.call_soon_threadsafe(lambda: seen.append(threading.get_ident()))
    ).start()
    main.run_until(lambda: bool(seen))
    assert seen == [threading.get_ident()]


def test_what_the_kernels_bring_up_leaves_on_the_loop_is_run(pump: Pump) -> None:
    seen: list[bool] = []

    async def bring_up() -> None:
        # By the time that the inner one is there the loop has been told to stop.
        pump.loop.call_soon(lambda: pump.loop.call_soon(seen.append, True))

    pump.loop.run_until_complete(bring_up())
    assert not seen
    MainLoop(pump).run_until(lambda: bool(seen))


def test_timers_are_due_without_any_other_event(pump: Pump, main: MainLoop) -> None:
    async def three_naps() -> str:
        for _ in range(3):
            await asyncio.sleep(0.02)
        return "awake"

    task = pump.loop.create_task(three_naps())
    pump.loop.call_soon_threadsafe(lambda: None)
    main.run_until(task.done)
    assert task.result() == "awake"
    # One slice to begin, one for each nap, one for a byte on the loop's own socket: no polling.
    assert main.ticks <= 6


def test_who_wants_a_slice_of_its_own_has_one(pump: Pump, main: MainLoop) -> None:
    seen: list[int] = []

    async def serve() -> None:
        await pump.fresh_slice()
        seen.append(main.ticks)

    tasks = [pump.loop.create_task(serve()) for _ in range(5)]
    pump.loop.call_soon_threadsafe(lambda: None)
    main.run_until(lambda: all(task.done() for task in tasks))
    assert seen == sorted(set(seen))
    assert len(seen) == 5


def test_outside_of_slices_there_is_none_to_wait_for(pump: Pump) -> None:
    async def serve() -> int:
        await pump.fresh_slice()
        await pump.fresh_slice()
        return 2

    assert pump.loop.run_until_complete(serve()) == 2


def test_what_the_host_puts_on_the_loop_between_slices_is_noticed(
    pump: Pump, main: MainLoop
) -> None:
    """A slot that sets an event, an operator that sets a future: no thread-safe call there."""
    event = asyncio.Event()
    seen: list[str] = []

    async def wait() -> None:
        await event.wait()
        seen.append("event")

    task = pump.loop.create_task(wait())
    main.run_until(lambda: main.ticks > 0)
    event.set()
    main.run_until(task.done)
    pump.loop.call_later(0.01, seen.append, "timer")
    main.run_until(lambda: len(seen) == 2)
    assert seen == ["event", "timer"]


def test_sockets_are_watched(pump: Pump, main: MainLoop) -> None:
    near, far = socket.socketpair()
    received: list[bytes] = []
    pump.loop.call_soon_threadsafe(
        lambda: pump.loop.add_reader(far, lambda: received.append(far.recv(10)))
    )
    threading.Thread(target=near.send, args=(b"hello",)).start()
    main.run_until(lambda: bool(received))
    assert received == [b"hello"]
    pump.loop.remove_reader(far)
    near.close()
    far.close()


def test_sockets_are_watched_where_the_selector_has_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows, whose selector is this one. Faked: there is no Windows here."""

    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    spec = importlib.util.find_spec("hostkernel.kernel.guest.pump")
    assert spec is not None
    assert spec.loader is not None
    windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(windows)
    pump = windows.Pump(budget=0.05)
    assert not hasattr(pump.selector, "fileno")
    try:
        test_sockets_are_watched(pump, MainLoop(pump))
    finally:
        pump.close()
        pump.loop.close()


def test_an_idle_pump_asks_for_nothing(pump: Pump, main: MainLoop) -> None:
    done: list[bool] = []
    pump.loop.call_soon_threadsafe(done.append, True)
    main.run_until(lambda: bool(done))
    # What the byte on the loop's own socket may still bring about.
    pump.tick()
    assert main.ticks <= 2
    assert main.posted.empty() or main.posted.get() == "wake"
    assert pump.tick() is None


def test_a_tick_that_nobody_asked_for_runs_nothing(pump: Pump) -> None:
    ran: list[bool] = []
    pump.loop.call_soon(ran.append, True)
    assert pump.tick() is None
    assert not ran


def test_a_polled_host_is_told_when_to_come_back() -> None:
    pump = Pump(budget=0.05, polled=True)
    pump.start(lambda: pytest.fail("a polled host cannot be woken"))
    assert pump.tick() is None
    pump.loop.call_later(30, lambda: None)
    seconds = pump.tick()
    assert seconds is not None
    assert 25 < seconds <= 30
    pump.close()
    pump.loop.close()
    assert pump.tick() is None


def test_a_tick_within_a_tick_returns_at_once(pump: Pump, main: MainLoop) -> None:
    inner: list[object] = []
    pump.loop.call_soon_threadsafe(lambda: inner.append(pump.tick()))
    main.run_until(lambda: bool(inner))
    assert inner == [None]


def test_a_tick_off_the_main_thread_is_an_error(pump: Pump) -> None:
    raised: list[BaseException] = []

    def tick() -> None:
        try:
            pump.tick()
        except WrongThreadError as error:
            raised.append(error)

    thread = threading.Thread(target=tick)
    thread.start()
    thread.join()
    assert raised


@pytest.mark.parametrize("escaping", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_that_a_callback_raises_reaches_the_host(
    pump: Pump,
    main: MainLoop,
    escaping: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[bool] = []

    def fail() -> None:
        raise escaping

    async def fail_in_task() -> None:
        raise escaping

    def begin() -> None:
        pump.loop.call_soon(fail)
        task = pump.loop.create_task(fail_in_task())
        task.add_done_callback(lambda task: (task.exception(), done.append(True)))

    pump.loop.call_soon_threadsafe(begin)
    main.run_until(lambda: bool(done))
    assert escaping.__name__ in caplog.text


def test_a_slice_ends_when_its_time_is_up(pump: Pump, main: MainLoop) -> None:
    """A task that never waits must not keep the host from its own work."""
    spins = 0
    stopping = False

    async def spin() -> None:
        nonlocal spins
        while not stopping:
            spins += 1
            await asyncio.sleep(0)

    task = pump.loop.create_task(spin())
    pump.loop.call_soon_threadsafe(lambda: None)
    main.run_until(lambda: main.ticks >= 3)
    assert spins > 3
    stopping = True
    main.run_until(task.done)


def test_actions_run_after_the_slice_and_cannot_hurt(
    pump: Pump, main: MainLoop, caplog: pytest.LogCaptureFixture
) -> None:
    ticking: list[bool] = []

    def fail() -> None:
        raise SystemExit

    pump.after_slice.extend([fail, lambda: ticking.append(pump.ticking)])
    pump.loop.call_soon_threadsafe(lambda: None)
    main.run_until(lambda: bool(ticking))
    assert ticking == [False]
    assert "the host goes on" in caplog.text


def test_a_host_that_runs_asyncio_by_now_is_pumped_all_the_same(pump: Pump) -> None:
    seen: list[str] = []

    async def host() -> None:
        outer = asyncio.get_running_loop()
        pump.start(lambda: outer.call_soon_threadsafe(pump.tick))
        pump.loop.call_soon_threadsafe(seen.append, "inner")
        async with asyncio.timeout(SECONDS):
            while not seen:
                await asyncio.sleep(0.001)
        assert asyncio.get_running_loop() is outer

    asyncio.run(host())
    assert seen == ["inner"]


def test_no_wake_after_close(pump: Pump) -> None:
    wakes: list[bool] = []
    pump.start(lambda: wakes.append(True))
    pump.close()
    wakes.clear()
    pump.loop.call_soon_threadsafe(lambda: None)
    assert not [thread for thread in threading.enumerate() if "waiter" in thread.name]
    assert not wakes


def test_a_wake_that_is_lost_is_repeated(pump: Pump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter_module, "_REPEAT", 0.01)
    monkeypatch.setattr(pump_module, "_OVERDUE", 0.01)
    wakes: queue.SimpleQueue[str] = queue.SimpleQueue()
    pump.start(lambda: wakes.put("wake"))
    for _ in range(4):
        wakes.get(timeout=SECONDS)
    assert pump.is_overdue
    pump.tick()
    assert not pump.is_overdue


def test_a_slice_that_is_running_is_not_asked_for(
    pump: Pump, main: MainLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiter_module, "_REPEAT", 0.01)
    during: list[bool] = []

    def work() -> None:
        while not main.posted.empty():
            main.posted.get()
        time.sleep(0.2)
        during.append(main.posted.empty())

    pump.loop.call_soon_threadsafe(work)
    main.run_until(lambda: bool(during))
    assert during == [True]


def test_whatever_fails_in_the_waiter_it_goes_on(
    pump: Pump, main: MainLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiter_module, "_AFTER_FAILURE", 0.0)
    failing = [True, True]
    own = waiter_module._waitable

    def waitable(selector: selectors.BaseSelector) -> Any:
        if failing:
            failing.pop()
            raise SystemExit
        return own(selector)

    monkeypatch.setattr(waiter_module, "_waitable", waitable)
    done: list[bool] = []
    pump.loop.call_soon_threadsafe(done.append, True)
    main.run_until(lambda: bool(done))
    pump.loop.call_soon_threadsafe(done.append, True)
    main.run_until(lambda: len(done) == 2)
    assert not failing
    assert pump.is_alive
    assert caplog.text.count("the thread that wakes the host failed") == 1


def test_a_waiter_that_has_died_is_started_again(pump: Pump, main: MainLoop) -> None:
    waiter = pump._waiter
    assert waiter is not None
    waiter._closing = True  # a thread has no other way to die that a test could take
    waiter._near.send(b"\0")
    waiter.resume()
    waiter.join()
    assert not pump.is_alive
    pump.look_after()
    assert pump.is_alive
    done: list[bool] = []
    pump.loop.call_soon_threadsafe(done.append, True)
    main.run_until(lambda: bool(done))


def test_a_loop_that_always_fails_is_given_up() -> None:
    class Broken(asyncio.SelectorEventLoop):
        def run_forever(self) -> None:
            raise OSError

    loop = Broken()
    with pytest.raises(BrokenLoopError):
        run_loop(loop)
    loop.close()


def test_a_timeout_beyond_the_systems_limit(pump: Pump, main: MainLoop) -> None:
    main.run_until(lambda: main.ticks > 0)
    pump.selector.deadline = 1e12
    pump.loop.call_soon_threadsafe(lambda: None)
    main.run_until(lambda: main.ticks > 1)
    assert pump.is_alive
