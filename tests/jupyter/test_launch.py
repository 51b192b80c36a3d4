"""Hosts that a real Jupyter server starts."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from support.notebooks import HOSTS, host_options
from support.world import odd_options, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebooks import Server
    from support.world import World

pytestmark = pytest.mark.slow(100)


@pytest.mark.parametrize("host", HOSTS)
def test_start_restart_and_shut_down(
    world: World, serve: Callable[..., Server], install: Callable[..., None], host: str
) -> None:
    install("--host", host, *host_options(host, world.folder))
    server = serve()
    notebook = server.start(f"hostkernel-{host}")
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


@pytest.mark.parametrize("host", HOSTS)
def test_culling_ends_what_was_launched(
    world: World, serve: Callable[..., Server], install: Callable[..., None], host: str
) -> None:
    """But not while a cell runs."""
    install("--host", host, *host_options(host, world.folder))
    manager = "--MappingKernelManager"
    server = serve(f"{manager}.cull_idle_timeout=2", f"{manager}.cull_interval=1")
    notebook = server.start(f"hostkernel-{host}")
    pid = int(notebook.result("import os, time; os.getpid()"))
    assert notebook.result("time.sleep(4); 'not culled'") == "'not culled'"
    notebook.close()
    wait_for(lambda: not server.kernels(), "the culling")
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


@pytest.mark.parametrize("host", ["odd", "python", "qt"])
def test_a_background_host_ends_with_the_server(
    world: World, serve: Callable[..., Server], install: Callable[..., None], host: str
) -> None:
    """A program whose windows are drawn nowhere is one."""
    own = ("--host", host, *host_options(host, world.folder))
    install(*(odd_options() if host == "odd" else own))
    server = serve()
    pid = int(server.start(f"hostkernel-{host}").result("import os; os.getpid()"))
    server.end(signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(pid), "the end of the host")
    assert world.kernels() == []


@pytest.mark.parametrize("host", ["odd", "qt"])
def test_a_window_outlives_the_server_and_says_so(
    world: World,
    serve: Callable[..., Server],
    install: Callable[..., None],
    display: str,
    host: str,
) -> None:
    odd = (*odd_options(), "--set", "hosts.odd.windowed=true")
    screen = ("--set", f"hosts.qt.env={{QT_QPA_PLATFORM = 'xcb', DISPLAY = '{display}'}}")
    program = host_options("qt", world.folder)[-1]
    install(*(odd if host == "odd" else ("--host", host, *screen, program)))
    install("--attach")
    server = serve()
    notebook = server.start(f"hostkernel-{host}")
    pid = notebook.result("x = 'kept'; import os; os.getpid()")
    server.end(signal.SIGKILL)
    wait_for(
        lambda: "this host goes on without it" in world.run("logs").stdout, "a line in the log"
    )
    again = serve().start("hostkernel")
    assert again.result("x, os.getpid()") == f"('kept', {pid})"
    again.shut_down()
    assert psutil.pid_exists(int(pid))
