"""Hosts that a real Jupyter server starts."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
from launch.world import odd_options, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from launch.world import World
    from notebooks import Server


def test_start_restart_and_shut_down(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--host", "python")
    server = serve()
    notebook = server.start("hostkernel-python")
    pid = int(notebook.result("x = 1; import os; os.getpid()"))

    endless = notebook.start_endless()
    notebook.interrupt()
    assert notebook.until("execute_reply", endless)["ename"] == "KeyboardInterrupt"

    notebook.restart()
    assert notebook.result("import os; os.getpid(), 'x' in globals()") == f"({pid}, False)"
    notebook.start_endless()
    notebook.restart()
    assert notebook.result("import os; os.getpid(), 'x' in globals()") == f"({pid}, False)"

    notebook.start_endless()
    notebook.shut_down()
    wait_for(lambda: not psutil.pid_exists(pid), "the end of the host")
    assert world.kernels() == []


def test_a_host_that_does_not_end_is_made_to(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--host", "python")
    notebook = serve("--KernelManager.shutdown_wait_time=1").start("hostkernel-python")
    pid = int(notebook.result("import os; os.getpid()"))
    notebook.send("import time\nwhile True:\n  try: time.sleep(9)\n  except BaseException: pass")
    notebook.until("execute_input")
    notebook.shut_down()
    wait_for(lambda: not psutil.pid_exists(pid), "the end of the host")


def test_why_a_host_does_not_start(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install(*odd_options(), "--set", "hosts.odd.main='1 / 0'")
    refusal = serve().refused("hostkernel-odd")
    assert "odd did not start: ZeroDivisionError: division by zero" in refusal
    assert list(world.processes())[1:] == []


def test_a_host_that_ends_is_not_started_again_unasked(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--host", "python")
    server = serve()
    notebook = server.start("hostkernel-python")
    first = notebook.result("import os; os.getpid()")
    notebook.send("os._exit(0)")
    notebook.until("status", execution_state="dead")
    assert world.kernels() == []
    assert server.start("hostkernel-python").result("import os; os.getpid()") != first


def test_a_background_host_ends_with_the_server(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install(*odd_options())
    server = serve()
    pid = int(server.start("hostkernel-odd").result("import os; os.getpid()"))
    server.end(signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(pid), "the end of the host")
    assert world.kernels() == []


def test_a_window_outlives_the_server_and_says_so(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install(*odd_options(), "--set", "hosts.odd.windowed=true")
    install("--attach")
    server = serve()
    notebook = server.start("hostkernel-odd")
    pid = notebook.result("x = 'kept'; import os; os.getpid()")
    server.end(signal.SIGKILL)
    wait_for(
        lambda: "this host goes on without it" in world.run("logs").stdout, "a line in the log"
    )
    again = serve().start("hostkernel")
    assert again.result("x, os.getpid()") == f"('kept', {pid})"
    again.shut_down()
    assert psutil.pid_exists(int(pid))
