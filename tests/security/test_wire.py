"""Who is answered, what is executed, and what can be read on the way."""

from __future__ import annotations

import hashlib
import hmac
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from support.runs import run_cell
from support.wire import (
    CHANNELS,
    Sniffer,
    connection,
    door,
    execute,
    in_clear,
    request,
    session,
)
from support.world import World, short_session

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow(60)

REQUIRED = ("--set", "connection.encryption=required")
ANSWER = 20_000  # milliseconds that an answer that must come may take


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    """The home of a kernel with these options; the module's one."""
    worlds: dict[tuple[str, ...], World] = {}

    def get(*options: str) -> World:
        if options not in worlds:
            worlds[options] = World(tmp_path_factory.mktemp("wire"))
            worlds[options].detach(*options)
        return worlds[options]

    yield get
    for world in worlds.values():
        world.close()


@pytest.fixture
def plain(detached: Callable[..., World]) -> World:
    return detached()


@pytest.fixture
def encrypted(detached: Callable[..., World]) -> World:
    return detached(*REQUIRED)


def stock_client(content: dict[str, Any] | ConnectionInfo) -> BlockingKernelClient:
    client = BlockingKernelClient()
    client.context.sndtimeo = 2000  # a channel that was refused takes nothing more: it would wait
    client.load_connection_info(content if isinstance(content, dict) else content.client_info())
    client.start_channels()
    return client


# Signatures


def forgeries(info: ConnectionInfo, mark: Path) -> dict[str, list[bytes]]:
    """Cells that would leave a ``mark``, signed wrongly in every way one could think of."""
    code = f"open({str(mark)!r}, 'w')"
    signed = execute(session(info), code)
    delimiter, signature, *parts = signed
    other = execute(session(info), "1")
    key = info.key.get_secret_value().encode()
    weaker = hmac.new(key, b"".join(parts), hashlib.md5).hexdigest().encode()
    return {
        "another key": execute(session(info, "0" * 64), code),
        "no key": execute(session(info, ""), code),
        "no signature": [delimiter, b"", *parts],
        "half a signature": [delimiter, signature[:32], *parts],
        "more than a signature": [delimiter, signature + b"0", *parts],
        "another message's": [delimiter, other[1], *parts],
        "another digest": [delimiter, weaker, *parts],
        "another content": [*other[:-1], signed[-1]],
        "another header": [*other[:2], signed[2], *other[3:]],
    }


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_wrong_signature_executes_nothing(plain: World, channel: str) -> None:
    info, mark = connection(plain), plain.folder / f"mark-{channel}"
    forged = forgeries(info, mark)
    with door(info, channel) as opened:
        for frames in forged.values():
            opened.send(frames)
        assert not opened.hears()
        # It takes messages in order: once this is answered, all of the above were looked at.
        right = session(info)
        opened.send(request(right, "kernel_info_request"))
        assert opened.hears(ANSWER)
    assert not mark.exists()
    plain.exec(f"open({str(mark)!r}, 'w')")
    assert mark.exists()


def test_a_wrong_signature_neither_interrupts_nor_ends(plain: World) -> None:
    info = connection(plain)
    plain.exec("kept = 'yes'")
    wrong = session(info, "0" * 64)
    holder = {"id": "x", "pid": 1, "started": 0.0, "machine": ""}
    with door(info, "control") as opened:
        for action in ("stop", "restart", "interrupt", "attach", "status"):
            opened.send(
                request(wrong, "hostkernel_request", action=action, exit_host=True, holder=holder)
            )
        for kind in ("shutdown_request", "interrupt_request", "kernel_info_request"):
            opened.send(request(wrong, kind, restart=True))
        assert not opened.hears()
    assert plain.exec("print(kept)") == "yes"


def test_a_message_that_is_sent_again_is_executed_once(plain: World) -> None:
    info = connection(plain)
    plain.exec("count = 0")
    frames = execute(session(info), "count += 1")
    for _ in range(3):
        with door(info, "shell") as opened:
            opened.send(frames)
            opened.hears()
    assert plain.exec("print(count)") == "1"


# Keys


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_without_keys_is_refused(encrypted: World, channel: str) -> None:
    """Though it knows the address and signs rightly: only CURVE keeps it out."""
    info, mark = connection(encrypted), encrypted.folder / f"mark-{channel}"
    own, secret = zmq.curve_keypair()
    strangers: dict[str, dict[str, bytes]] = {
        "no keys": {},
        "not the kernel's key": {
            "curve_serverkey": own,
            "curve_publickey": own,
            "curve_secretkey": secret,
        },
    }
    for curve in strangers.values():
        with door(info, channel, **curve) as opened:
            if channel == "iopub":
                assert encrypted.exec("print('overheard')") == "overheard"
            else:
                with suppress(zmq.Again):
                    opened.send(execute(session(info), f"open({str(mark)!r}, 'w')"))
            assert not opened.hears()
    assert encrypted.exec("print(1)") == "1"
    assert not mark.exists()


def test_a_stock_client_without_keys_is_refused(encrypted: World) -> None:
    info = connection(encrypted)
    client = stock_client(in_clear(info) | {"key": info.key.get_secret_value().encode()})
    with pytest.raises(
        (RuntimeError, zmq.Again), match=r"Kernel (didn't respond|died)|unavailable"
    ):
        client.wait_for_ready(timeout=2)
    client.stop_channels()
    client = stock_client(info)
    client.wait_for_ready(timeout=60)
    assert run_cell(client, "6 * 7") == "42"
    client.stop_channels()


# Eavesdropping


@pytest.mark.parametrize("options", [(), REQUIRED], ids=["plain", "encrypted"])
def test_what_can_be_read_on_the_way(
    detached: Callable[..., World], options: tuple[str, ...]
) -> None:
    world = detached(*options)
    info = connection(world)
    sniffer = Sniffer(info)
    client = stock_client(sniffer.info)
    client.wait_for_ready(timeout=60)
    assert run_cell(client, "print('a-' + 'spoken-secret')") == "a-spoken-secret\n"
    reply = client.complete("'a-typed-secret'.spl", reply=True, timeout=60)
    assert reply["content"]["matches"]
    assert client.is_alive()
    client.stop_channels()
    sniffer.close()

    said = (b"a-spoken-secret", b"a-typed-secret", b"execute_request", b"kernel_info_reply")
    in_the_clear = [word for word in said if word in sniffer.seen]
    assert in_the_clear == ([] if options else list(said))
    assert len(sniffer.seen) > 3000
    assert info.key.get_secret_value().encode() not in sniffer.seen
    if info.curve_secretkey is not None:
        assert info.curve_secretkey.get_secret_value().encode() not in sniffer.seen
        assert b"CURVE" in sniffer.seen


# What the settings and a launcher say


def launcher_says(world: World, **changes: Any) -> str:
    """Start with a launcher's file; what was said against it, empty if nothing."""
    file = world.folder / "launched.json"
    encrypted = changes.pop("encrypted", False)
    options = changes.pop("options", ())
    info = ConnectionInfo.fresh(encrypted=encrypted).model_copy(update=changes)
    info.write(file)
    done = world.run("run", "--detach", "-f", str(file), *options)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 3}
    return done.stderr if done.returncode else ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


BROKEN = """
from hostkernel import Host, hookimpl
class Broken(Host):
    name = "broken"
    {}
@hookimpl
def hostkernel_hosts(): return [Broken]
"""
ALLOWED = ("--set", "connection.allow_remote=true")


@pytest.mark.parametrize(
    ("settings", "says", "refusal"),
    [
        ("off", {"encrypted": True}, "it asks for encryption: set connection.encryption to auto"),
        ("required", {}, "there are no CURVE keys, and connection.encryption is required"),
        ("auto", {"ip": "0.0.0.0"}, "0.0.0.0 can be reached from other machines; set"),
        ("auto", {"ip": "a.name"}, "a.name can be reached from other machines; set"),
        (
            "auto",
            {"ip": "0.0.0.0", "options": ALLOWED},
            "0.0.0.0 can be reached from other machines, and there are no CURVE keys",
        ),
    ],
)
def test_a_launchers_file_that_the_settings_forbid(
    world: World, settings: str, says: dict[str, Any], refusal: str
) -> None:
    options = (*says.pop("options", ()), "--set", f"connection.encryption={settings}")
    assert refusal in launcher_says(world, options=options, **says)
    assert not list(world.processes())


def test_a_launcher_that_asks_for_tcp_where_the_settings_say_ipc(world: World) -> None:
    options = ("--set", "connection.transport=ipc")
    assert "it asks for tcp, and connection.transport is ipc" in launcher_says(
        world, options=options
    )


def test_a_launchers_sockets_in_a_folder_that_others_write_to(world: World) -> None:
    folder = world.folder / "sockets"
    folder.mkdir()
    folder.chmod(0o777)
    says = {"transport": "ipc", "ip": str(folder / "s"), **{f"{c}_port": 1 for c in CHANNELS}}
    assert f"other users may write to {folder}; run: chmod go-w" in launcher_says(world, **says)


def test_encryption_when_the_launcher_asks_for_it(world: World) -> None:
    options = ("--set", "connection.encryption=auto")
    assert launcher_says(world, encrypted=True, options=options) == ""
    info = ConnectionInfo.read(world.folder / "launched.json")
    with door(info, "shell") as opened:
        opened.send(request(session(info), "kernel_info_request"))
        assert not opened.hears()
    client = stock_client(info)
    client.wait_for_ready(timeout=60)
    client.stop_channels()


def test_an_address_that_other_machines_can_reach(world: World) -> None:
    """Allowed and encrypted, it is reached with keys only."""
    ip = ("--set", "connection.ip=0.0.0.0")
    for options in (ip, (*ip, *ALLOWED), (*ip, *REQUIRED)):
        done = world.run("run", "--detach", *options)
        assert done.returncode == 2
        assert "0.0.0.0 can be reached from other machines: set " in done.stderr
    assert not list(world.processes())

    world.detach(*ip, *ALLOWED, *REQUIRED)
    assert world.exec("print(1)") == "1"
    info = connection(world).model_copy(update={"ip": _own_address()})
    client = stock_client(info)
    client.wait_for_ready(timeout=60)
    assert run_cell(client, "6 * 7") == "42"
    client.stop_channels()
    with door(info, "shell") as opened:
        opened.send(request(session(info), "kernel_info_request"))
        assert not opened.hears()


def _own_address() -> str:
    """This machine's address for others, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.fixture
def short(world: World) -> Iterator[Path]:
    with short_session(world) as folder:
        yield folder


@pytest.mark.parametrize("options", [(), REQUIRED], ids=["plain", "encrypted"])
def test_over_ipc_in_a_private_folder(world: World, short: Path, options: tuple[str, ...]) -> None:
    world.detach("--set", "connection.transport=ipc", *options)
    info = connection(world)
    [folder] = short.iterdir()
    assert info.ip == str(folder / "s")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not [one for each in world.processes() for one in each.net_connections("tcp")], (
        "nothing listens on a port"
    )
    client = stock_client(info)
    client.wait_for_ready(timeout=60)
    assert run_cell(client, "6 * 7") == "42"
    client.stop_channels()
    with door(info, "shell") as opened:
        opened.send(request(session(info), "kernel_info_request"))
        assert opened.hears(0 if options else ANSWER) != bool(options)
    assert world.run("restart").returncode == 0
    assert world.exec("print(1)") == "1"
    assert world.run("stop").returncode == 0
    assert not folder.exists()


def test_a_dead_kernels_sockets_are_removed_with_its_file(world: World, short: Path) -> None:
    world.detach("--set", "connection.transport=ipc")
    [process] = world.processes()
    process.kill()
    process.wait()
    assert world.kernels() == []
    assert list(short.iterdir()) == []


def test_a_start_that_fails_leaves_no_folder_of_sockets(world: World, short: Path) -> None:
    for failure in ("def loop(self): 1 / 0", "def on_exit(self, callback): 1 / 0"):
        plugin = world.folder / "broken.py"
        plugin.write_text(BROKEN.format(failure))
        done = world.run(
            *("run", "--host", "broken", "--set", f"plugins.paths=['{plugin}']"),
            *("--set", "connection.transport=ipc"),
        )
        assert done.returncode == 3
        assert "division by zero" in done.stderr
        assert list(short.iterdir()) == []
