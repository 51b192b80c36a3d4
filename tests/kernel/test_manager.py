"""The manager's states, and starts that fail half-way."""

from __future__ import annotations

import json
import socket
import stat
from typing import TYPE_CHECKING

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import Session
from support.live import LiveHost, cell, value
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


def test_a_second_start_is_refused_and_the_first_lives(each_host: LiveHost) -> None:
    host = each_host
    host.start()
    for start in ("manager.start()", "other.start()"):
        error = host.raises(f"other = make(); {start}", "beside")
        assert error.name == "AlreadyRunningError"
        assert str(host.file()) in error.text
    assert host.beside("(other.is_running, other.state.value)") == [False, "idle"]
    assert value(host.client(), "1 + 1") == "2"


def test_stop_and_restart_need_a_running_kernel(host: LiveHost) -> None:
    host.do("manager = make()")
    for action in ("stop", "restart"):
        assert host.raises(f"manager.{action}()").name == "NotRunningError"
        assert host.raises(f"import hostkernel; hostkernel.{action}()").name == "NotRunningError"
    assert host.raises("manager.connection_info").name == "NotRunningError"
    assert host.do("(manager.is_running, manager.connection_file, manager.mode)") == [
        False,
        None,
        None,
    ]
    host.do("manager.request_stop('nothing runs')")


def test_what_a_manager_says_while_it_runs(each_host: LiveHost) -> None:
    host = each_host
    host.start()
    file = host.file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = json.loads(file.read_text())
    assert found["hostkernel"]["host"] == "live"
    assert found["hostkernel"]["pid"] == host.process.pid
    assert all(found[f"{channel}_port"] for channel in CHANNELS)
    assert host.beside("manager.mode") == host.mode
    assert host.beside("manager.connection_info.key.get_secret_value()") == found["key"]
    assert found["key"] not in host.beside("repr(manager.connection_info) + str(vars(manager))")
    assert host.beside("import hostkernel; hostkernel.current() is manager")
    host.stop()
    assert not file.exists()
    assert host.beside("hostkernel.current()") is None


def test_it_answers_when_start_returns(host: LiveHost) -> None:
    """A client that reads the file at once loses nothing."""
    for _ in range(5):
        host.do("manager = make(); manager.start()")
        client = BlockingKernelClient(connection_file=str(host.file()))
        client.load_connection_file()
        # No heartbeat: jupyter_client never ends one that is stopped before it began.
        client.start_channels(hb=False)
        message = client.kernel_info()
        assert client.get_shell_msg(timeout=20)["parent_header"]["msg_id"] == message
        client.stop_channels()
        host.stop()


def test_two_hosts_at_once(host: LiveHost, live: Callable[..., LiveHost]) -> None:
    other = live("pumped")
    host.start()
    other.start()
    value(host.client(), "x = 'mine'")
    assert value(other.client(), "'x' in globals()") == "False"


def test_a_forked_child_has_no_kernel_and_leaves_the_file(host: LiveHost) -> None:
    host.start()
    code = """
import os
child = os.fork()
if child == 0:
    os._exit(0 if not manager.is_running else 1)
os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
    assert host.do(code) == 0
    # Nor does it take down, at its end, what it only has copies of.
    code = code.replace(
        "os._exit(0 if",
        "import atexit; atexit._run_exitfuncs()\n"
        "    os._exit(0 if manager.state.value == 'running' and",
    )
    assert host.do(code) == 0
    assert host.file().exists()
    assert value(host.client(), "1 + 1") == "2"


def test_is_running_is_asked_afresh(host: LiveHost) -> None:
    """The kernel's threads die from outside; nobody told the manager."""
    host.start()
    assert host.running
    host.do("app = manager._embedding._session._app; app.shell_channel_thread.stop()")
    wait_for(lambda: not host.running, "the end of the thread")
    assert host.do("manager.state.value") == "running"
    host.stop()
    host.start()
    assert host.running


def test_a_shell_that_is_there_already_is_left_alone(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do(
        """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
from ledger import Ledger
import hostkernel.kernel.embedding
before = Ledger()
"""
    )
    error = host.raises("manager = make(); manager.start()")
    assert error.name == "ShellExistsError"
    assert "InteractiveShell" in error.text
    assert host.do("before.differences()") == []
    assert host.do("InteractiveShell.instance() is shell")
    assert host.do("shell.run_cell('6 * 7').result") == 42
    host.do("shell.atexit_operations(); InteractiveShell.clear_instance()")
    host.start()
    assert value(host.client(), "1 + 1") == "2"


@pytest.fixture
def unharmed(host: LiveHost) -> Iterator[LiveHost]:
    """After a failed start all is as before, and the next start works."""
    host.start()
    host.stop()
    host.do("from ledger import Ledger; before = Ledger()")
    yield host
    assert host.do("before.differences()") == []
    assert host.do("manager.state.value") == "idle"
    assert not host.files()
    host.start()
    assert value(host.client(), "1 + 1") == "2"
    host.drop_clients()
    assert host.stop() == []


def test_a_host_may_refuse(unharmed: LiveHost) -> None:
    unharmed.do("class Vetoing(LiveHost):\n    def veto(self): return 'no document is open'")
    error = unharmed.raises("manager = make(Vetoing); manager.start()")
    assert (error.name, error.text) == ("HostVetoError", "live: no document is open")


# Where an adapter, or what lies below, can fail while a kernel starts. ``fail`` raises.
FAILURES = {
    "veto": "class Failing(LiveHost):\n    veto = fail",
    "paths": "class Failing(LiveHost):\n    paths = fail",
    "loop": "class Failing(LiveHost):\n    loop = fail",
    "on_exit": "class Failing(LiveHost):\n    on_exit = fail",
    "the loop's start": """
class FailingLoop(PostLoop):
    start = fail
class Failing(LiveHost):
    loop = lambda self: FailingLoop(post)
""",
    "a folder that cannot be written": """
import dataclasses, pathlib
class Failing(LiveHost):
    def paths(self):
        pathlib.Path("occupied").write_text("a file")
        return dataclasses.replace(super().paths(), runtime=pathlib.Path("occupied/runtime"))
""",
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_an_adapter_that_fails(unharmed: LiveHost, failure: str) -> None:
    unharmed.do("def fail(*args): raise RuntimeError('on purpose')\n" + failure)
    error = unharmed.raises("manager = make(Failing); manager.start()")
    assert error.name in {"RuntimeError", "ConnectionFileError"}
    assert "on purpose" in error.text or "occupied" in error.text


@pytest.mark.parametrize(
    "step",
    [
        *("init_iopub", "init_control", "init_heartbeat", "init_io", "init_kernel"),
        *("init_path", "init_shell", "init_extensions", "init_code"),
    ],
)
def test_a_step_of_ipykernel_that_fails(unharmed: LiveHost, step: str) -> None:
    unharmed.do(
        f"""
from hostkernel.kernel.ipython.app import HostKernelApp
own = vars(HostKernelApp).get({step!r})
def fail(*args, **kwargs): raise RuntimeError("on purpose")
HostKernelApp.{step} = fail
"""
    )
    put_back = f"HostKernelApp.{step} = own" if step in OVERRIDDEN else f"del HostKernelApp.{step}"
    try:
        assert unharmed.raises("manager = make(); manager.start()").text == "on purpose"
    finally:
        unharmed.do(put_back)


OVERRIDDEN = {"init_iopub", "init_heartbeat", "init_io"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_port_that_is_taken(unharmed: LiveHost, channel: str) -> None:
    file = launcher_file(unharmed)
    before = file.read_text()
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", json.loads(before)[f"{channel}_port"]))
        occupant.listen()
        error = unharmed.raises(
            f"import pathlib; path = pathlib.Path({str(file)!r})\n"
            "manager = make(file=path); manager.start()"
        )
    assert error.name == "ZMQError"
    assert "in use" in error.text
    assert file.read_text() == before


def launcher_file(host: LiveHost) -> Path:
    """A connection file as a Jupyter server writes one: ports that are free now, and a key."""
    taken = [socket.socket() for _ in CHANNELS]
    for occupant in taken:
        occupant.bind(("127.0.0.1", 0))
    ports = {
        f"{channel}_port": occupant.getsockname()[1]
        for channel, occupant in zip(CHANNELS, taken, strict=True)
    }
    for occupant in taken:
        occupant.close()
    content = {
        "transport": "tcp",
        "ip": "127.0.0.1",
        "key": "launchers-key",
        "signature_scheme": "hmac-sha256",
        "kernel_name": "live",
        **ports,
    }
    file = host.folder / "launched.json"
    file.write_text(json.dumps(content))
    return file


def test_a_launchers_file_is_used_and_given_back(each_host: LiveHost) -> None:
    host = each_host
    file = launcher_file(host)
    before = json.loads(file.read_text())
    host.do("import pathlib")
    host.start(f"file=pathlib.Path({str(file)!r})")
    running = json.loads(file.read_text())
    assert {name: running[name] for name in before} == before
    assert running["hostkernel"]["pid"] == host.process.pid
    assert value(host.client(), "1 + 1") == "2"
    host.stop()
    assert json.loads(file.read_text()) == before


def test_a_dead_kernels_file_gives_neither_ports_nor_key(
    host: LiveHost, live: Callable[..., LiveHost]
) -> None:
    dead = live("pumped")
    dead.start()
    file = dead.file()
    dead.process.kill()
    dead.process.wait()
    stale = json.loads(file.read_text())
    host.do("import pathlib")
    host.start(f"file=pathlib.Path({str(file)!r})")
    fresh = json.loads(file.read_text())
    assert fresh["key"] != stale["key"]
    assert {fresh[f"{c}_port"] for c in CHANNELS}.isdisjoint(stale[f"{c}_port"] for c in CHANNELS)
    assert value(host.client(), "1 + 1") == "2"
    host.stop()
    assert not file.exists()


def test_the_file_of_a_kernel_that_lives_is_refused(
    host: LiveHost, live_hosts: Callable[[str], LiveHost]
) -> None:
    other = live_hosts("thread")
    other.start()
    host.do("import pathlib")
    error = host.raises(f"manager = make(file=pathlib.Path({str(other.file())!r})).start()")
    assert error.name == "ConnectionFileError"
    assert str(other.process.pid) in error.text
    assert value(other.client(), "1 + 1") == "2"
    other.drop_clients()
    other.stop()


def test_over_ipv6(host: LiveHost) -> None:
    host.start("connection={'ip': '::1'}")
    client = BlockingKernelClient(connection_file=str(host.file()))
    client.load_connection_file()
    client.context.ipv6 = True
    client.ip = "[::1]"
    client.start_channels()
    client.wait_for_ready(timeout=20)
    assert value(client, "1 + 1") == "2"
    client.stop_channels()


def is_answered(file: Path, **curve: bytes) -> bool:
    """Whether a client with these keys gets any reply."""
    found = json.loads(file.read_text())
    session = Session(key=found["key"].encode())
    with zmq.Context() as context, context.socket(zmq.DEALER) as channel:
        channel.linger = 0
        for option, key in curve.items():
            setattr(channel, option, key)
        channel.connect(f"tcp://127.0.0.1:{found['shell_port']}")
        session.send(channel, "kernel_info_request")
        return bool(channel.poll(1000 if curve.get("curve_serverkey") else 300))


def test_encryption_that_is_required(host: LiveHost) -> None:
    host.start("connection={'encryption': 'required'}")
    client = host.client()
    assert value(client, "1 + 1") == "2"
    file = host.file()
    own, secret = zmq.curve_keypair()
    keys = {"curve_publickey": own, "curve_secretkey": secret}
    server = json.loads(file.read_text())["curve_publickey"].encode()
    assert is_answered(file, curve_serverkey=server, **keys)
    assert not is_answered(file, curve_serverkey=own, **keys)
    assert not is_answered(file)
    assert value(client, "2 + 2") == "4"


def test_a_launchers_file_without_keys_is_refused_where_encryption_is_required(
    unharmed: LiveHost,
) -> None:
    file = launcher_file(unharmed)
    start = (
        f"manager = make(file=pathlib.Path({str(file)!r}), connection={{'encryption': 'required'}})"
    )
    error = unharmed.raises(f"import pathlib; {start}; manager.start()")
    assert error.name == "ConnectionFileError"
    assert "CURVE" in error.text


PLUGIN = """
import hostkernel
class Failing:
    @hostkernel.hookimpl
    def {hook}({arguments}):
        calls.append({hook!r})
        raise ValueError("on purpose")
calls = []
"""
HOOKS = {
    "hostkernel_loop": "self, host",
    "hostkernel_paths": "self, host",
    "hostkernel_namespace": "self, host",
    "hostkernel_extensions": "self, host",
    "hostkernel_started": "self, kernel",
    "hostkernel_stopped": "self, kernel, reason",
    "hostkernel_pre_run_cell": "self, kernel, cell",
    "hostkernel_post_run_cell": "self, kernel, cell, result",
    "hostkernel_pre_comm_message": "self, kernel, message",
    "hostkernel_post_comm_message": "self, kernel, message",
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_whose_hook_raises_is_named_and_hurts_nobody(host: LiveHost, hook: str) -> None:
    host.do(PLUGIN.format(hook=hook, arguments=HOOKS[hook]))
    before = len(host.output)
    host.start("plugin=Failing()")
    client = host.client()
    said = _of_comm(client)
    reply = cell(client, "1 + 1")
    assert reply.status == "ok"
    assert "2" in reply.text
    host.drop_clients()
    host.stop()
    assert host.do("calls[0]") == hook
    # To the client what concerns its cell, else to the host's log.
    said += reply.text + host.output[before:]
    assert "plugin tests" in said
    assert hook in said
    assert "on purpose" in said


def _of_comm(client: BlockingKernelClient) -> str:
    """What a client is told while its comm message is handled."""
    content = {"comm_id": "1", "target_name": "nobody's", "data": {}}
    message = client.session.msg("comm_open", content)
    client.shell_channel.send(message)
    said = ""
    while True:
        told = client.get_iopub_msg(timeout=SECONDS)
        if told["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            said += told["content"].get("text", "")
            if told["content"].get("execution_state") == "idle":
                return said


EXTENSIONS = """
import hostkernel, sys, types
class Asking:
    @hostkernel.hookimpl
    def hostkernel_extensions(self):
        return ["no_such_extension", "failing", "empty", "autoreload"]
sys.modules["empty"] = types.ModuleType("empty")
sys.modules["failing"] = types.ModuleType("failing")
def load_ipython_extension(shell): raise OSError("no disk")
sys.modules["failing"].load_ipython_extension = load_ipython_extension
"""


def test_an_extension_that_cannot_be_loaded_is_named_with_its_plugin(host: LiveHost) -> None:
    host.do(EXTENSIONS)
    host.start("plugin=Asking()")
    client = host.client()
    blamed = "plugin tests, hostkernel_extensions, "
    for reason in (
        "'no_such_extension': ModuleNotFoundError: No module named 'no_such_extension'",
        "'failing': OSError: no disk",
        "'empty': ImportError: empty has no load_ipython_extension()",
    ):
        assert blamed + reason in host.output
    assert "autoreload" in value(client, "get_ipython().extension_manager.loaded")


def test_arguments_of_the_host_are_its_own(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    argv = ["--debug", "--ip=0.0.0.0", "-f", "nowhere.json", "--IPKernelApp.x=1", "\udcff", ""]
    host.do(f"import sys; sys.argv[:] = {argv!r}")
    host.start()
    assert value(host.client(), "import sys; len(sys.argv)") == str(len(argv))
    assert host.beside("manager.connection_info.ip") == "127.0.0.1"


def test_the_users_ipython_configuration_cannot_end_the_host(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    profile = host.folder / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    host.start()
    host.stop()
    host.do("from ledger import Ledger; before = Ledger()")
    for name in ("ipython_config.py", "startup/10-exit.py"):
        (profile / name).write_text("import sys; sys.exit(3)\n")
        error = host.raises("manager.start()")
        assert (error.name, "SystemExit(3)" in error.text) == ("StartError", True)
        assert host.do("before.differences()") == []
        (profile / name).write_text("1 / 0\n")
    host.start()
    assert value(host.client(), "1 + 1") == "2"


@pytest.mark.parametrize("mode", ["pumped", "shared"])
def test_a_kernel_that_its_host_drives_cannot_be_served_too(
    live_hosts: Callable[[str], LiveHost], mode: str
) -> None:
    host = live_hosts(mode)
    host.start()
    error = host.raises("manager.serve()")
    assert error.name == "AlreadyRunningError"
    assert f"already {mode} by its host" in error.text
    assert host.running
    host.stop()
