"""Notebooks on a kernel that is open, through a real Jupyter server."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from support.notebooks import HOSTS, host_options
from support.world import short_session, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebooks import Server
    from support.world import World

pytestmark = pytest.mark.slow(130)


def pid_of(world: World) -> int:
    [kernel] = world.kernels()
    return int(kernel["pid"])


@pytest.mark.parametrize("host", HOSTS)
def test_interrupt_restart_and_shut_down_leave_the_host(
    world: World, serve: Callable[..., Server], install: Callable[..., None], host: str
) -> None:
    install("--attach")
    world.detach("--host", host, *host_options(host, world.folder))
    world.exec("import sys; sys.modules['document'] = 'open'; x = 41")
    pid = pid_of(world)
    notebook = serve().start("hostkernel")
    assert notebook.result("x + 1") == "42"

    endless = notebook.start_endless()
    notebook.interrupt()
    assert notebook.until("execute_reply", endless)["ename"] == "KeyboardInterrupt"

    notebook.restart()
    document = "import sys; sys.modules['document'], 'x' in globals()"
    assert notebook.result(document) == "('open', False)"

    notebook.result("x = 2")
    notebook.start_endless()
    notebook.restart()
    assert notebook.result(document) == "('open', False)"

    notebook.result("x = 3")
    notebook.shut_down()
    assert pid_of(world) == pid
    assert world.exec("print(x)") == "3"


@pytest.mark.parametrize("policy", ["stop", "restart"])
def test_shut_down_follows_the_policy_and_closes_no_application(
    world: World, serve: Callable[..., Server], install: Callable[..., None], policy: str
) -> None:
    install("--attach")
    policies = ("--set", f"kernel.on_shutdown={policy}")
    world.detach("--host", "qt", *policies, *host_options("qt", world.folder))
    pid = pid_of(world)
    notebook = serve().start("hostkernel")
    notebook.result("x = 1")
    notebook.shut_down()
    if policy == "stop":
        wait_for(lambda: not world.kernels(), "the end of the kernel")
    else:
        wait_for(lambda: world.exec("print('x' in globals())") == "False", "the restart")
    assert psutil.Process(pid).is_running()


def test_shut_down_interrupts_nobody_else(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    world.detach()
    notebook = serve().start("hostkernel")
    go = world.folder / "go"
    cell = f"print('in', flush=True)\nimport os\nwhile not os.path.exists({str(go)!r}): pass\n"
    other = world.start("exec", "-c", f"{cell}print('to its end')")
    other.until("in")
    notebook.shut_down()
    go.touch()
    assert (other.end(), other.stdout.split("\n")[1]) == (0, "to its end")


def test_the_second_notebook_is_told_that_it_shares(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    world.detach()
    server = serve()
    first = server.start("hostkernel")
    assert first.result("x = 1; 'first'") == "'first'"
    second = server.start("hostkernel")
    told = second.result("x + 1")
    assert "This kernel is shared: another notebook is open on this python" in told
    assert told.endswith("\n2")
    assert second.result("x += 1; 'told once'") == "'told once'"
    assert first.result("x") == "2"

    first.shut_down()
    second.shut_down()
    assert server.start("hostkernel").result("'alone'") == "'alone'"


def test_which_kernel(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    install("--host", "python", "--attach")
    server = serve()
    assert server.refused("hostkernel") == ("no kernel is running; start one with: hostkernel run")
    first, second = world.detach(), world.detach()
    refusal = server.refused("hostkernel")
    assert "several kernels are running; name one by id, host, pid or title" in refusal
    assert first in refusal
    assert second in refusal

    install("--attach", "-k", second, "--name", "second")
    pids = {kernel["id"]: str(kernel["pid"]) for kernel in world.kernels()}
    assert server.start("second").result("import os; os.getpid()") == pids[second]

    named = serve(HOSTKERNEL_ATTACH=pids[first])
    assert named.start("hostkernel").result("import os; os.getpid()") == pids[first]
    assert named.start("hostkernel-python-attach").result("2 + 2").endswith("4")
    gone = serve(HOSTKERNEL_ATTACH="nobody")
    assert "no running kernel matches 'nobody'" in gone.refused("hostkernel-python-attach")


def test_attach_if_open_else_launch(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--host", "python", "--attach")
    server = serve()
    launched = server.start("hostkernel-python-attach")
    pid = launched.result("import os; os.getpid()")
    attached = server.start("hostkernel-python-attach")
    assert attached.result("os.getpid()").endswith(pid)
    attached.shut_down()
    assert launched.result("os.getpid()") == pid
    launched.shut_down()
    wait_for(lambda: not psutil.pid_exists(int(pid)), "the end of what was launched")
    assert world.kernels() == []


@pytest.mark.parametrize(
    ("host", "number"),
    [("python", signal.SIGTERM), ("python", signal.SIGKILL), ("qt", signal.SIGKILL)],
)
def test_a_server_comes_and_goes(
    world: World, serve: Callable[..., Server], install: Callable[..., None], host: str, number: int
) -> None:
    install("--attach")
    world.detach("--host", host, *host_options(host, world.folder))
    pid = pid_of(world)
    first = serve()
    first.start("hostkernel").result("x = 'kept'")
    first.end(number)
    assert pid_of(world) == pid
    assert serve().start("hostkernel").result("x") == "'kept'"


def test_culling_lets_go_of_a_kernel(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    world.detach()
    pid = pid_of(world)
    manager = "--MappingKernelManager"
    server = serve(f"{manager}.cull_idle_timeout=1", f"{manager}.cull_interval=1")
    server.start("hostkernel").close()
    wait_for(lambda: not server.kernels(), "the culling")
    assert pid_of(world) == pid


def test_a_host_that_dies_is_seen_within_seconds(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    world.detach()
    server = serve()
    notebook = server.start("hostkernel")
    notebook.result("1")
    os.kill(pid_of(world), signal.SIGKILL)
    died = time.monotonic()
    notebook.until("status", execution_state="dead")
    assert time.monotonic() - died < 15
    assert "no kernel is running" in server.refused("hostkernel")
    world.detach()
    assert server.start("hostkernel").result("'alive'") == "'alive'"


def test_an_encrypted_kernel(
    world: World, serve: Callable[..., Server], install: Callable[..., None]
) -> None:
    install("--attach")
    install("--host", "python")
    required = "--KernelManager.transport_encryption=required"
    server = serve(required, "--debug")
    world.detach()
    assert "is not encrypted, and this server requires it" in server.refused("hostkernel")
    world.run("stop")
    world.detach("--set", "connection.encryption=required")
    for name in ("hostkernel", "hostkernel-python"):
        notebook = server.start(name)
        assert notebook.result("6 * 7") == "42"
        notebook.restart()
        assert notebook.result("6 * 7") == "42"


@pytest.mark.parametrize("managers", ["tcp", "ipc"])
def test_an_ipc_kernel_outlives_a_managers_restart(
    world: World, serve: Callable[..., Server], install: Callable[..., None], managers: str
) -> None:
    """A manager removes the sockets that it knows, at each restart and at the end."""
    ipc = ("--set", "connection.transport=ipc")
    install("--attach")
    install("--host", "python", *ipc)
    with short_session(world) as session:
        server = serve(f"--KernelManager.transport={managers}")
        world.detach(*ipc)
        sockets = sorted(path for path in session.glob("*/*") if path.is_socket())
        assert len(sockets) == 5
        for name in ("hostkernel", "hostkernel-python"):
            notebook = server.start(name)
            assert notebook.result("6 * 7") == "42"
            notebook.restart()
            assert notebook.result("6 * 7") == "42"
            notebook.start_endless()
            notebook.restart()
            assert notebook.result("6 * 7") == "42"
            notebook.shut_down()
        # What is left is the attached kernel's, whole and answering.
        wait_for(lambda: len(world.kernels()) == 1, "the end of the launched one")
        assert sorted(session.glob("*/*")) == sockets
        assert world.exec("print(1)") == "1"
        assert server.start("hostkernel").result("6 * 7") == "42"
        server.end()
        assert world.run("stop").returncode == 0
        assert list(session.iterdir()) == []
