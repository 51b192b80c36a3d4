"""Key and CURVE secret are told by nothing, whatever goes wrong and however much is logged."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from support.secrecy import leaks
from support.wire import connection
from support.world import odd_options

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from support.world import World

TALKATIVE = (
    *("--set", "kernel.log_level=debug"),
    *("--set", "connection.encryption=required"),
)
# IPython's longest tracebacks show the values of variables, here with ours among the frames.
FAILURE = """
get_ipython().run_line_magic("xmode", "Verbose")
import hostkernel
manager = hostkernel.current()
info = manager.connection_info
print(manager, info, vars(manager))
info.write(manager.connection_file / "not-a-folder" / "kernel-1.json")
"""


def secrets(info: ConnectionInfo) -> set[str]:
    found = {info.key.get_secret_value()}
    if info.curve_secretkey is not None:
        found.add(info.curve_secretkey.get_secret_value())
    return found


def test_no_command_log_or_traceback_tells_them(world: World) -> None:
    logging = ("--set", "hosts.odd.before=import logging; logging.basicConfig(level=0)")
    said = [world.run("run", "--detach", *odd_options(), *logging, *TALKATIVE)]
    info = connection(world)
    assert len(secrets(info)) == 2
    commands = (
        ("list",),
        ("list", "--json"),
        ("exec", "-c", FAILURE),
        ("interrupt",),
        ("restart",),
        ("config", "show", "--origin", *TALKATIVE),
        ("logs",),
        ("stop", "nobody"),
        ("stop",),
    )
    said += [world.run(*command) for command in commands]
    failed = said[3]
    assert "ConnectionFileError" in failed.stderr
    assert "SecretStr('***" in failed.stdout
    for each in said:
        told = [secret for secret in secrets(info) if secret in each.stdout + each.stderr]
        assert told == [], each.args
    [log] = world.folder.rglob("*.log")
    assert "DEBUG:" in log.read_text()
    assert leaks(world.folder, secrets(info)) == []


def test_a_panel_tells_where_they_are_and_not_what(world: World) -> None:
    run = world.start("run", *TALKATIVE)
    run.until_up()
    info = connection(world)
    assert str(next(world.runtime.glob("kernel-*.json"))) in run.stderr
    run.interrupt()
    run.end()
    assert leaks(world.folder, secrets(info)) == []


def test_a_start_that_fails_late_tells_none(world: World) -> None:
    """With a traceback through all that holds them."""
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        info = ConnectionInfo.fresh(encrypted=True).model_copy(update={"hb_port": port})
        file = world.folder / "launched.json"
        info.write(file)
        options = ("--set", "connection.encryption=auto", "--set", "kernel.log_level=debug")
        for host in ((), ("--detach",)):
            done = world.run("run", *host, "-f", str(file), *options)
            assert done.returncode == 3
            assert "Traceback" in done.stderr
            assert "Address already in use" in done.stderr
            assert not [each for each in secrets(info) if each in done.stdout + done.stderr]
    assert leaks(world.folder, secrets(info)) == []


@pytest.mark.parametrize("field", ["curve_secretkey", "hostkernel", "shell_port"])
def test_a_broken_file_tells_none(world: World, field: str) -> None:
    """It is the one place where they are read, by programs that then complain about it."""
    info = ConnectionInfo.fresh(encrypted=True)
    content = json.loads(info.to_json(reveal=True)) | {field: "broken"}
    file = world.runtime / "kernel-1.json"
    file.write_text(json.dumps(content))
    for command in (["list"], ["exec", "-k", str(file), "-c", "1"], ["run", "-f", str(file)]):
        done = world.run(*command)
        assert str(file) in done.stderr
        assert not [each for each in secrets(info) if each in done.stdout + done.stderr]
