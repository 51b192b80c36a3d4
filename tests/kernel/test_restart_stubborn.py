"""Restart and stop come through, whatever the cell that runs does about it."""

from __future__ import annotations

import pytest
from support.live import LiveHost, busy, control, finish, value
from support.runs import SECONDS, wait_for

pytestmark = pytest.mark.slow(100)

SAY = "print('started', flush=True)\n"
STUBBORN = {
    "await": """
import asyncio
while True:
    try: await asyncio.sleep(0.5)
    except BaseException: pass
""",
    "await, in a function": """
import asyncio
async def wait():
    while True:
        try: await asyncio.sleep(0.5)
        except: continue
while True:
    try: await wait()
    except BaseException: pass
""",
    "sleep": """
import time
while True:
    try: time.sleep(0.1)
    except BaseException: pass
""",
    "spin": """
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "a function": """
import time
def step():
    try: time.sleep(0.1)
    except BaseException: pass
while True:
    try: step()
    except: pass
""",
    "kept errors": """
import time
kept = []
while True:
    try:
        try: time.sleep(0.1)
        except BaseException as error: kept.append(error)
    except BaseException as error: kept.append(error)
""",
    "script": "%%bash\ntrap '' INT TERM\necho started\nwhile true; do sleep 0.5; done",
}


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN.keys())
def test_a_cell_that_catches_everything(each_host: LiveHost, code: str) -> None:
    host = each_host
    host.start()
    client = host.client()
    value(client, "x = 1")
    request = busy(client, code if code.startswith("%%") else SAY + code)
    control(client, "shutdown_request", restart=True)
    assert finish(client, request).status == "error"
    wait_for(lambda: value(client, "'x' in globals()") == "False", "a fresh namespace")
    assert value(client, "import sys; print(sys.gettrace(), sys._getframe().f_trace)") == (
        "None None\n"
    )
    request = busy(client, code if code.startswith("%%") else SAY + code)
    host.beside("manager.request_stop('the test')")
    host.wait_stopped()


def test_what_cells_must_do_at_their_end_is_done(host: LiveHost) -> None:
    host.start()
    client = host.client()
    code = """
import contextlib, json, threading, time
json.done = []
lock = json.lock = threading.Lock()
@contextlib.contextmanager
def manager():
    try: yield
    finally: json.done.append("manager")
def stubborn():
    while True:
        try:
            try:
                with lock, manager():
                    print("started", flush=True)
                    while True: time.sleep(0.1)
            finally:
                json.done.append("finally")
        except BaseException:
            json.done.append("except")
stubborn()
"""
    request = busy(client, code)
    control(client, "shutdown_request", restart=True)
    assert finish(client, request).ename == "KeyboardInterrupt"
    done = "import json; json.done, json.lock.locked()"
    expected = str((["manager", "finally", "except"] * 2, False))
    wait_for(lambda: value(client, "'stubborn' in globals()") == "False", "a fresh namespace")
    assert value(client, done) == expected


def test_what_nothing_breaks_is_said(each_host: LiveHost) -> None:
    """Code in C that does not return: the restart follows when it does."""
    host = each_host
    host.start()
    client = host.client()
    code = """
import ctypes, json
json.mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
libc.pthread_mutex_lock(json.mutex)
try:
    print("started", flush=True)
finally:
    libc.pthread_mutex_lock(json.mutex)
"""
    request = busy(client, code)
    control(client, "shutdown_request", restart=True)
    said = ""
    while "cannot be broken" not in said:
        said = client.get_iopub_msg(timeout=SECONDS)["content"].get("text", "")
    host.beside("import ctypes, json; ctypes.CDLL(None).pthread_mutex_unlock(json.mutex)")
    assert finish(client, request).ename == "KeyboardInterrupt"
    wait_for(lambda: value(client, "'libc' in globals()") == "False", "a fresh namespace")
