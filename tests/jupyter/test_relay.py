"""Clients that know no provisioners: they start a kernelspec's command line themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from support.runs import SECONDS, run_cell
from support.world import World, odd_options, wait_for

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(90)

PID = "import os; os.getpid()"
BUSY = "print('under way', flush=True)\nwhile True: pass"


class Plain:
    """A kernel manager for a kernelspec with nothing in it but a command line."""

    def __init__(self, world: World, name: str, number: int) -> None:
        self.world = world
        self.file = world.runtime / f"kernel-client{number}.json"
        self._file = world.folder / f"client{number}.err"
        self._errors = self._file.open("wb")
        self.clients: list[BlockingKernelClient] = []
        specs = world.folder / "plain"
        _strip(world, name, specs)
        self.manager = KernelManager(
            kernel_name=name,
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)]),
            connection_file=str(self.file),
        )

    def start(self, **env: str) -> BlockingKernelClient:
        """Start it; its first client, once the kernel answers."""
        self.launch(**env)
        # A client that tries a port of this machine again and again may take it for itself.
        wait_for(lambda: self._is_up() or not self.manager.is_alive(), "a relay or a kernel")
        return self._ready(self.manager.client())

    def _is_up(self) -> bool:
        return not {"hostkernel", "hostkernel_relay"}.isdisjoint(json.loads(self.file.read_text()))

    def launch(self, **env: str) -> None:
        self.manager.start_kernel(
            env=self.world.env | env,
            cwd=self.world.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )

    def client(self) -> BlockingKernelClient:
        """One more client, that knows the connection file and nothing else."""
        client = BlockingKernelClient(connection_file=str(self.file))
        client.load_connection_file()
        return self._ready(client)

    def _ready(self, client: BlockingKernelClient) -> BlockingKernelClient:
        self.clients.append(client)
        client.start_channels()
        try:
            client.wait_for_ready(timeout=SECONDS)
        except RuntimeError:
            pytest.fail(f"no kernel: {self.said}")
        return client

    @property
    def said(self) -> str:
        """What the command wrote to standard error."""
        return self._file.read_text()

    @property
    def pid(self) -> int:
        """The process that the manager takes for its kernel."""
        return int(self.manager.provisioner.pid)

    def close(self) -> None:
        for client in self.clients:
            client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._errors.close()


def _strip(world: World, name: str, target: Path) -> None:
    source = world.folder / "jupyter" / "data" / "kernels" / name / "kernel.json"
    spec = json.loads(source.read_text())
    assert spec["metadata"].pop("kernel_provisioner")["provisioner_name"]
    assert spec["argv"][1:3] == ["-m", "hostkernel"]
    (target / name).mkdir(parents=True, exist_ok=True)
    (target / name / "kernel.json").write_text(json.dumps(spec))


@pytest.fixture
def plain(world: World, install: Callable[..., None]) -> Iterator[Callable[..., Plain]]:
    """Managers in a home of its own, for kernelspecs installed with these options."""
    managers: list[Plain] = []

    def make(*options: str, name: str = "hostkernel") -> Plain:
        install(*options)
        managers.append(Plain(world, name, len(managers)))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture(scope="module")
def open_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    """One manager, attached to one kernel that is open."""
    world = World(tmp_path_factory.mktemp("open"))
    world.detach()
    assert world.run("kernelspec", "install", "--attach").returncode == 0
    plain = Plain(world, "hostkernel", 0)
    plain.start()
    yield plain
    plain.close()
    world.close()


def start_busy(client: BlockingKernelClient) -> str:
    """Run a cell that never ends, until it is under way; the request."""
    request = client.execute(BUSY)
    until(client.get_iopub_msg, "stream", request)
    return str(request)


def until(get: Callable[..., dict[str, Any]], kind: str, request: str) -> dict[str, Any]:
    """The content of the next answer of a kind to a request."""
    while True:
        message = get(timeout=SECONDS)
        if message["msg_type"] == kind and message["parent_header"].get("msg_id") == request:
            return dict(message["content"])


# What a client does with a kernel


def test_cells_run_in_the_kernel_that_is_open(open_kernel: Plain) -> None:
    [client, *_] = open_kernel.clients
    [kernel] = open_kernel.world.kernels()
    assert run_cell(client, PID) == str(kernel["pid"])
    assert kernel["pid"] != open_kernel.pid
    assert run_cell(client, "print('out')") == "out\n"
    open_kernel.world.exec("shared = 41")
    assert run_cell(client, "shared + 1") == "42"
    wait_for(client.hb_channel.is_beating, "a heartbeat")


def test_completion_and_inspection(open_kernel: Plain) -> None:
    [client, *_] = open_kernel.clients
    run_cell(client, "a_long_name = 3")
    reply = client.complete("a_long_n", reply=True, timeout=SECONDS)
    assert reply["content"]["matches"] == ["a_long_name"]
    reply = client.inspect("a_long_name", reply=True, timeout=SECONDS)
    assert "int" in reply["content"]["data"]["text/plain"]


def test_input(open_kernel: Plain) -> None:
    [client, *_] = open_kernel.clients
    request = client.execute("input('your name? ')", allow_stdin=True)
    assert client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "your name? "
    client.input("me")
    result = until(client.get_iopub_msg, "execute_result", request)
    assert result["data"]["text/plain"] == "'me'"
    assert until(client.get_shell_msg, "execute_reply", request)["status"] == "ok"


@pytest.mark.parametrize("way", ["message", "signal"])
def test_interrupt(open_kernel: Plain, way: str) -> None:
    [client, *_] = open_kernel.clients
    request = start_busy(client)
    if way == "message":
        open_kernel.manager.interrupt_kernel()
    else:
        os.kill(open_kernel.pid, signal.SIGINT)
    assert until(client.get_shell_msg, "execute_reply", request)["ename"] == "KeyboardInterrupt"
    assert run_cell(client, "'and alive'") == "'and alive'"


def test_several_clients_at_once(open_kernel: Plain) -> None:
    [first, *_] = open_kernel.clients
    second = open_kernel.client()
    asked = second.execute("input('second? ')", allow_stdin=True)
    assert second.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "second? "
    waiting = first.execute("'first'")
    second.input("yes")
    assert until(second.get_shell_msg, "execute_reply", asked)["status"] == "ok"
    assert until(first.get_shell_msg, "execute_reply", waiting)["status"] == "ok"
    assert not first.stdin_channel.msg_ready()
    request = second.execute("print('for all')")
    assert until(first.get_iopub_msg, "stream", request)["text"] == "for all\n"


def test_a_message_with_another_key_does_nothing(open_kernel: Plain) -> None:
    [client, *_] = open_kernel.clients
    info = json.loads(open_kernel.file.read_text())
    stranger = BlockingKernelClient()
    stranger.load_connection_info(info | {"key": b"guessed"})
    stranger.start_channels(hb=False)
    stranger.execute("stolen = True")
    stranger.stop_channels()
    assert run_cell(client, "'stolen' in globals()") == "False"


def test_no_key_is_in_what_the_relay_says(open_kernel: Plain) -> None:
    files = [open_kernel.file, open_kernel.world.kernels()[0]["connection_file"]]
    keys = [ConnectionInfo.read(Path(file)).key for file in files]
    said = open_kernel.said
    assert not [key for key in keys if key.get_secret_value() in said]


# Restart and the end


def test_restart_keeps_the_host(world: World, plain: Callable[..., Plain]) -> None:
    world.detach()
    world.exec("import sys; sys.modules['document'] = 'open'; x = 1")
    manager = plain("--attach")
    client = manager.start()
    [kernel] = world.kernels()
    relay = manager.pid
    start_busy(client)
    other = world.detach()
    manager.manager.restart_kernel()
    assert manager.pid != relay
    client.wait_for_ready(timeout=SECONDS)
    document = "import sys, os; sys.modules['document'], 'x' in globals(), os.getpid()"
    assert run_cell(client, document) == f"('open', False, {kernel['pid']})"
    assert {each["id"] for each in world.kernels()} == {kernel["id"], other}


def test_shut_down_leaves_the_host_and_everybodys_cells(
    world: World, plain: Callable[..., Plain]
) -> None:
    world.detach("--set", "kernel.on_shutdown=exit-host")
    manager = plain("--attach")
    client = manager.start()
    run_cell(client, "x = 'kept'")
    go = world.folder / "go"
    cell = f"print('in', flush=True)\nimport os\nwhile not os.path.exists({str(go)!r}): pass\n"
    other = world.start("exec", "-c", f"{cell}print('to its end')")
    other.until("in")
    relay = psutil.Process(manager.pid)
    manager.manager.shutdown_kernel()
    assert not relay.is_running()
    go.touch()
    assert (other.end(), other.stdout.split("\n")[1]) == (0, "to its end")
    assert world.exec("print(x)") == "kept"
    assert not manager.file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_relay_that_is_ended_leaves_the_host(
    world: World, plain: Callable[..., Plain], number: int
) -> None:
    world.detach()
    manager = plain("--attach")
    client = manager.start()
    run_cell(client, "x = 'kept'")
    os.kill(manager.pid, number)
    wait_for(lambda: not manager.manager.is_alive(), "the end of the relay")
    assert world.exec("print(x)") == "kept"


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_end_of_the_kernel_ends_the_relay_within_seconds(
    world: World, plain: Callable[..., Plain], end: str
) -> None:
    world.detach()
    manager = plain("--attach")
    manager.start()
    [kernel] = world.kernels()
    if end == "kill":
        os.kill(kernel["pid"], signal.SIGKILL)
    else:
        assert world.run("stop").returncode == 0
    wait_for(lambda: not manager.manager.is_alive(), "the end of the relay", 10)
    assert f"hostkernel: {kernel['id']}  python, pid {kernel['pid']}" in manager.said


CLIENT = """
import os, sys, time
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
specs = KernelSpecManager(kernel_dirs=[sys.argv[1]])
manager = KernelManager(kernel_name="hostkernel", kernel_spec_manager=specs)
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
print("relay", manager.provisioner.pid, flush=True)
time.sleep(1000)
"""


def test_a_client_that_dies_takes_its_relay_with_it(
    world: World, plain: Callable[..., Plain]
) -> None:
    world.detach()
    plain("--attach")
    command = world.start(str(world.folder / "plain"), python=("-c", CLIENT))
    command.until("relay ")
    relay = int(command.stdout.split()[1])
    command.signal(signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(relay), "the end of the relay", 10)
    assert len(world.kernels()) == 1


# Which kernel


def test_which_kernel(world: World, plain: Callable[..., Plain]) -> None:
    first, second = world.detach(), world.detach()
    pids = {kernel["id"]: str(kernel["pid"]) for kernel in world.kernels()}
    manager = plain("--attach")
    manager.launch()
    wait_for(lambda: not manager.manager.is_alive(), "a relay that cannot choose")
    assert "several kernels are running; name one by" in manager.said
    named = plain("--attach", "-k", second, "--name", "second", name="second")
    assert run_cell(named.start(), PID) == pids[second]
    assert run_cell(manager.start(HOSTKERNEL_ATTACH=first[:8]), PID) == pids[first]


def test_attach_if_open_else_launch(world: World, plain: Callable[..., Plain]) -> None:
    options = (*odd_options(), "--attach")
    launched = plain(*options, name="hostkernel-odd-attach")
    first = launched.start()
    [kernel] = world.kernels()
    assert kernel["host"] == "odd"
    attached = plain(*options, name="hostkernel-odd-attach")
    assert run_cell(attached.start(), PID).endswith(str(kernel["pid"]))
    attached.manager.shutdown_kernel()
    assert run_cell(first, PID) == str(kernel["pid"])
    launched.manager.shutdown_kernel()
    wait_for(lambda: not psutil.pid_exists(kernel["pid"]), "the end of what was launched")
    assert world.kernels() == []


# The wire


@pytest.mark.parametrize(
    ("far", "near"),
    [
        ("connection.encryption=required", "disabled"),
        ("connection.transport=ipc", "required"),
        ("connection.ip=::1", "disabled"),
    ],
)
def test_each_side_has_a_wire_of_its_own(
    world: World, plain: Callable[..., Plain], near: str, far: str
) -> None:
    world.detach("--set", far)
    manager = plain("--attach")
    manager.manager.transport_encryption = near
    client = manager.start()
    assert ("curve_secretkey" in json.loads(manager.file.read_text())) == (near == "required")
    assert run_cell(client, "print('through'); 6 * 7") == "42"
    wait_for(client.hb_channel.is_beating, "a heartbeat")
    manager.manager.restart_kernel()
    client.wait_for_ready(timeout=SECONDS)
    assert run_cell(client, "6 * 7") == "42"


def test_a_taken_port_and_a_remote_address_are_refused(world: World) -> None:
    info = ConnectionInfo.fresh("192.0.2.1")
    remote = world.folder / "remote.json"
    remote.write_text(info.to_json(reveal=True))
    result = world.run("relay", "-f", str(remote))
    assert "no kernel is running; start one with: hostkernel run" in result.stderr
    world.detach()
    [kernel] = world.kernels()
    result = world.run("relay", "-f", str(remote))
    assert result.returncode == 2
    assert "remote.json: ip: a running kernel is relayed to this machine only" in result.stderr

    taken = ConnectionInfo.read(Path(kernel["connection_file"]))
    fresh = ConnectionInfo.fresh().model_copy(update={"shell_port": taken.shell_port})
    file = world.folder / "taken.json"
    file.write_text(fresh.to_json(reveal=True))
    result = world.run("relay", "-f", str(file))
    assert result.returncode == 2
    assert f"shell_port: cannot listen on port {taken.shell_port}" in result.stderr
    assert "no such file" in world.run("relay", "-f", "nothing.json").stderr


def test_it_is_for_kernelspecs_not_for_users(world: World) -> None:
    assert "relay" not in world.run("--help").stdout
    assert "--attach" not in world.run("run", "--help").stdout
