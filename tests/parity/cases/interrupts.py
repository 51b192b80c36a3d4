"""The Interrupt button, pressed while a cell waits or computes."""

from __future__ import annotations

import textwrap

from parity.case import MAIN_THREAD, Cell, case, cell

# Says so from another thread when the cell is within its function: the interrupt must not hit the
# print itself.
_WATCH = """
import sys, threading
def say(ident):
    frames = []
    while "waits" not in frames:
        frame, frames = sys._current_frames()[ident], []
        while frame is not None:
            frames.append(frame.f_code.co_name)
            frame = frame.f_back
    print("started\\n", end="", flush=True)
threading.Thread(target=say, args=(threading.get_ident(),)).start()
"""
_SAY = """
import asyncio, functools
asyncio.get_running_loop().call_soon(functools.partial(print, "started", flush=True))
"""


def _waits(code: str) -> Cell:
    """A cell that calls its function ``waits``, within which it is interrupted."""
    return cell(_WATCH + textwrap.dedent(code), interrupt="started")


def _awaits(code: str) -> Cell:
    """A cell that is interrupted while it is suspended."""
    return cell(_SAY + textwrap.dedent(code), interrupt="started")


CASES = (
    case(
        "interrupt of a loop", _waits("def waits():\n    while True: pass\nwaits()"), "print('ok')"
    ),
    case(
        "interrupt of what blocks in C",
        _waits(
            """
            import time
            def waits(): time.sleep(5)
            try:
                waits()
            except KeyboardInterrupt:
                print("caught")
            """
        ),
        "print('ok')",
    ),
    case(
        "interrupt of a sleep",
        _waits("import time\ndef waits(): time.sleep(100)\nwaits()"),
        "print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt and cleanup",
        _waits(
            """
            def waits():
                try:
                    while True: pass
                finally:
                    print("cleaned")
            waits()
            """
        ),
        "print('ok')",
    ),
    case(
        "interrupt of a lock",
        _waits("lock = threading.Lock(); lock.acquire()\ndef waits(): lock.acquire()\nwaits()"),
        "print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a join",
        _waits(
            """
            event = threading.Event()
            thread = threading.Thread(target=event.wait); thread.start()
            def waits(): thread.join()
            try:
                waits()
            except KeyboardInterrupt:
                print("caught")
            """
        ),
        "event.set(); thread.join()",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a queue",
        _waits("import queue\ndef waits(): queue.SimpleQueue().get()\nwaits()"),
        "print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a socket",
        _waits(
            """
            import socket
            with socket.socket() as door:
                door.bind(("127.0.0.1", 0)); door.listen()
                def waits(): door.accept()
                waits()
            """
        ),
        "print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a pipe",
        _waits("import os\nr, w = os.pipe()\ndef waits(): os.read(r, 1)\nwaits()"),
        "os.close(r); os.close(w); print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a child",
        _waits(
            """
            import subprocess
            child = subprocess.Popen(["sleep", "100"])
            def waits(): child.communicate()
            try:
                waits()
            except KeyboardInterrupt:
                print("caught")
            """
        ),
        "child.kill(); code = child.wait()",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt of a thread pool",
        _waits(
            """
            from concurrent.futures import ThreadPoolExecutor
            event = threading.Event()
            executor = ThreadPoolExecutor(1)
            future = executor.submit(event.wait)
            def waits(): future.result()
            try:
                waits()
            except KeyboardInterrupt:
                print("caught")
            event.set(); executor.shutdown()
            """
        ),
        "print('ok')",
        targets=MAIN_THREAD,
    ),
    case(
        "interrupt that is swallowed",
        _waits(
            """
            def waits():
                try:
                    while True: pass
                except BaseException as error:
                    print("swallowed", type(error).__name__)
            waits()
            print("end")
            """
        ),
        "print('ok')",
    ),
    case("interrupt of an await", _awaits("await asyncio.sleep(100)"), "print('ok')"),
    case(
        "interrupt of an await that is caught",
        _awaits(
            """
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                print("caught")
            """
        ),
        "await asyncio.sleep(0.01); print('ok')",
    ),
    case(
        "interrupt of an await that cleans up",
        _awaits(
            """
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0.01)
                print("cleaned")
            """
        ),
        "print('ok')",
    ),
    case(
        "interrupt of a TaskGroup",
        _awaits(
            """
            async def f():
                try:
                    await asyncio.sleep(100)
                finally:
                    print("child ended")
            async with asyncio.TaskGroup() as group: group.create_task(f())
            """
        ),
        "print('ok')",
    ),
    case(
        "interrupt of a shielded task",
        _awaits(
            """
            go = asyncio.Event()
            async def f():
                await go.wait()
                return "result"
            task = asyncio.create_task(f())
            await asyncio.shield(task)
            """
        ),
        "go.set(); print(await task)",
    ),
    case(
        "interrupt of wait_for",
        _awaits("await asyncio.wait_for(asyncio.sleep(100), 200)"),
        "print('ok')",
    ),
    case(
        "interrupt of an asynchronous generator",
        _awaits(
            """
            async def g():
                try:
                    while True:
                        yield 1
                        await asyncio.sleep(0.01)
                finally:
                    print("closed")
            async for n in g(): pass
            """
        ),
        "print('ok')",
    ),
)
