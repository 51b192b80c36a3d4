"""What another user of the machine could plant, and what a kernel says to it."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hostkernel import private
from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.world import World

STRANGER = 65534
root_only = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away"
)


@pytest.fixture
def started(world: World) -> Iterator[World]:
    """A kernel that runs."""
    world.detach()
    return world


def file_of(world: World) -> Path:
    [file] = world.runtime.glob("kernel-*.json")
    return file


def test_a_kernels_file_and_folder_are_private_whatever_the_umask(world: World) -> None:
    world.runtime.rmdir()
    before = os.umask(0)
    try:
        world.detach()
    finally:
        os.umask(before)
    file = file_of(world)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.runtime.stat().st_mode) == 0o700
    assert file.stat().st_uid == os.getuid()


def test_what_was_written_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without modes is faked: none can be mounted here."""
    make = tempfile.mkstemp

    def make_readable(*args: Any, **kwargs: Any) -> tuple[int, str]:
        handle, name = make(*args, **kwargs)
        os.fchmod(handle, 0o644)
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", make_readable)
    with pytest.raises(ConnectionFileError, match="does not keep files private"):
        ConnectionInfo.fresh().write(tmp_path / "kernel-1.json")
    assert list(tmp_path.iterdir()) == []


# Where a kernel would put its file


def refusal(world: World, *args: str) -> str:
    """Why a host is not started; nothing of it stays."""
    done = world.run("run", "--detach", *args)
    assert done.returncode in {2, 3}, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(world.processes())
    return done.stderr


def test_a_folder_that_others_write_to(world: World) -> None:
    world.runtime.chmod(0o777)
    assert f"other users may write to {world.runtime}; run: chmod go-w" in refusal(world)
    assert list(world.runtime.iterdir()) == []
    world.runtime.chmod(0o700)
    world.detach()


@root_only
def test_a_folder_of_another_user(world: World) -> None:
    os.chown(world.runtime, STRANGER, -1)
    assert f"{world.runtime} belongs to another user (uid {STRANGER})" in refusal(world)
    assert list(world.runtime.iterdir()) == []


def test_a_planted_link(world: World) -> None:
    """In place of the file that ``-f`` names: dangling, or to a file of the user's own."""
    precious, link = world.folder / "precious", world.runtime / "kernel-1.json"
    link.symlink_to(precious)
    assert "symbolic link, and may have been planted" in refusal(world, "-f", str(link))
    assert not precious.exists()
    launcher = ConnectionInfo.fresh().to_json(reveal=True)
    precious.write_text(launcher)
    assert "symbolic link, and may have been planted" in refusal(world, "-f", str(link))
    assert precious.read_text() == launcher
    assert list(world.runtime.iterdir()) == [link]


@root_only
def test_a_launchers_file_of_another_user(world: World) -> None:
    file = world.folder / "launched.json"
    ConnectionInfo.fresh().write(file)
    os.chown(file, STRANGER, -1)
    assert f"{file}: this belongs to another user" in refusal(world, "-f", str(file))


def test_a_launchers_file_that_others_write_to(world: World) -> None:
    file = world.folder / "launched.json"
    ConnectionInfo.fresh().write(file)
    file.chmod(0o666)
    assert f"{file}: other users may write to it" in refusal(world, "-f", str(file))


# Where a client looks for it


@root_only
@pytest.mark.parametrize("linked", [False, True])
def test_a_client_trusts_no_file_of_another_user(started: World, linked: bool) -> None:
    """It would send its cells to whoever wrote it."""
    file = started.runtime / "kernel-planted.json"
    content = json.loads(file_of(started).read_text())
    target = started.folder / "target.json" if linked else file
    target.write_text(json.dumps(content))
    target.chmod(0o600)
    if linked:
        file.symlink_to(target)
    os.lchown(file, STRANGER, -1)

    done = started.run("exec", "-k", str(file), "-c", "1")
    assert done.returncode == 2
    assert f"{file}: this belongs to another user (uid {STRANGER})" in done.stderr
    listed = started.run("list", "--json")
    assert f"skipped {file}: this belongs to another user" in listed.stderr
    assert len(json.loads(listed.stdout)) == 1


def test_a_client_trusts_no_file_that_others_write_to(started: World) -> None:
    file = file_of(started)
    file.chmod(0o666)
    done = started.run("exec", "-c", "1")
    assert f"{file}: other users may write to it; run: chmod 600" in done.stderr
    assert done.returncode == 2
    file.chmod(0o600)
    assert started.exec("print(1)") == "1"


# Where the sockets are


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """The session's runtime folder and the folder for temporary files."""
    with tempfile.TemporaryDirectory() as short:
        session, temporary = Path(short, "session"), Path(short, "temporary")
        for place in (session, temporary):
            place.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        yield session, temporary


def test_sockets_lie_in_a_private_folder(places: tuple[Path, Path]) -> None:
    session, temporary = places
    folder = private.folder_for_sockets()
    assert folder.parent == session
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    session.chmod(0o777)
    assert private.folder_for_sockets().parent == temporary
    temporary.chmod(0o1777)
    assert private.folder_for_sockets().parent == temporary
    temporary.chmod(0o777)
    with pytest.raises(StartError, match=f"other users may write to {session}.* {temporary}"):
        private.folder_for_sockets()


def test_a_path_that_is_too_long_for_sockets(places: tuple[Path, Path], world: World) -> None:
    session, temporary = places
    long = session / ("x" * 90)
    long.mkdir()
    runs = world.run(
        *("run", "--detach", "--set", "connection.transport=ipc"),
        XDG_RUNTIME_DIR=str(long),
        TMPDIR=str(long),
    )
    assert runs.returncode == 3
    assert f"{long} is too long a path for sockets" in runs.stderr
    assert "Traceback" not in runs.stderr
    world.env |= {"XDG_RUNTIME_DIR": str(long), "TMPDIR": str(temporary)}
    world.detach("--set", "connection.transport=ipc")
    assert world.exec("print(1)") == "1"
