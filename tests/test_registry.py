"""The kernels of this machine: which run, which are stale, which are somebody else's."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hostkernel import registry
from hostkernel.connection import ConnectionInfo
from hostkernel.errors import ConnectionFileError, SelectionError
from hostkernel.processes import machine, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def ended_process() -> int:
    """The pid of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def write(folder: Path, kernel_id: str = "abc", **facts: Any) -> Path:
    """A kernel's file; by default its host is this process."""
    own = {
        "host": "python",
        "pid": os.getpid(),
        "started": start_time(os.getpid()),
        "machine": machine(),
        "kernel_id": kernel_id,
    }
    hb_port = facts.pop("hb_port", 0)
    content = json.loads(ConnectionInfo.fresh().to_json(reveal=True))
    content |= {"hb_port": hb_port, "hostkernel": own | facts}
    file = folder / f"kernel-{kernel_id}.json"
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def states(folder: Path) -> dict[str, str]:
    return {kernel.id: kernel.state for kernel in registry.kernels(folder).kernels}


def test_nothing_there(tmp_path: Path) -> None:
    assert registry.kernels(tmp_path).kernels == ()
    assert registry.kernels(tmp_path / "nowhere").kernels == ()


def test_a_kernel_that_runs(tmp_path: Path) -> None:
    file = write(tmp_path, title="scene.blend")
    [kernel] = registry.kernels(tmp_path).kernels
    assert (kernel.id, kernel.state, kernel.file) == ("abc", "running", file)
    assert str(kernel) == f"abc  python, pid {os.getpid()} (scene.blend)"
    assert registry.tells_of(file, kernel.info)
    file.write_text(kernel.info.model_copy(update={"hostkernel": None}).to_json(reveal=True))
    assert not registry.tells_of(file, kernel.info)
    file.unlink()
    assert not registry.tells_of(file, kernel.info)


def test_a_stale_file_is_removed(tmp_path: Path, closed_port: int) -> None:
    file = write(tmp_path, pid=ended_process(), hb_port=closed_port)
    listing = registry.kernels(tmp_path)
    assert listing.kernels == ()
    assert not file.exists()
    [note] = listing.notes
    assert note.startswith(f"removed {file}: its host (pid ")


def test_a_pid_that_another_process_has_now(tmp_path: Path, closed_port: int) -> None:
    file = write(tmp_path, started=1.0, hb_port=closed_port)
    assert states(tmp_path) == {}
    assert not file.exists()


def test_a_dead_process_whose_port_answers_is_not_stale(tmp_path: Path, open_port: int) -> None:
    file = write(tmp_path, pid=ended_process(), hb_port=open_port)
    assert states(tmp_path) == {"abc": "running"}
    assert file.exists()


def test_a_launchers_file_is_told_stale_but_stays(tmp_path: Path, closed_port: int) -> None:
    file = write(tmp_path, pid=ended_process(), hb_port=closed_port, owned=False)
    assert states(tmp_path) == {"abc": "stale"}
    assert file.exists()


def test_another_machine_is_never_judged(tmp_path: Path, closed_port: int) -> None:
    file = write(tmp_path, pid=ended_process(), hb_port=closed_port, machine="elsewhere/1/pid:[2]")
    assert states(tmp_path) == {"abc": "elsewhere"}
    assert file.exists()
    with pytest.raises(SelectionError, match="no running kernel matches 'abc'"):
        registry.find("abc", tmp_path)


def test_stale_over_ipc(tmp_path: Path) -> None:
    file = write(tmp_path, pid=ended_process())
    content = json.loads(file.read_text()) | {"transport": "ipc", "ip": str(tmp_path / "s")}
    content["hb_port"] = 5
    file.write_text(json.dumps(content))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s-5"))
        server.listen()
        assert states(tmp_path) == {"abc": "running"}
    assert states(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', "\0", '{"ip": 1}', '{"hostkernel": {}}', "[" * 100_000]
)
def test_a_file_that_cannot_be_read_is_skipped_and_stays(tmp_path: Path, text: str) -> None:
    good, bad = write(tmp_path), tmp_path / "kernel-bad.json"
    bad.write_text(text)
    listing = registry.kernels(tmp_path)
    assert [kernel.file for kernel in listing.kernels] == [good]
    [note] = listing.notes
    assert note.startswith(f"skipped {bad}: ")
    assert bad.read_text() == text


def test_binary_files_and_folders_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "kernel-binary.json").write_bytes(b"\xff\xfe")
    (tmp_path / "kernel-folder.json").mkdir()
    (tmp_path / "kernel-dangling.json").symlink_to("nowhere.json")
    listing = registry.kernels(tmp_path)
    assert listing.kernels == ()
    assert len(listing.notes) == 2


def test_stock_kernels_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "kernel-123.json").write_text(ConnectionInfo.fresh().to_json(reveal=True))
    assert registry.kernels(tmp_path) == registry.Listing(())


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    for age, kernel_id in enumerate(("b", "c", "a")):
        os.utime(write(tmp_path, kernel_id), (age, age))
    assert list(states(tmp_path)) == ["b", "c", "a"]


def test_a_file_written_anew_meanwhile_is_not_removed(
    tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, pid=ended_process(), hb_port=closed_port)
    judge = registry.owner_is_gone

    def judge_slowly(info: ConnectionInfo) -> bool:
        verdict = judge(info)
        if verdict:
            write(tmp_path)
        return verdict

    monkeypatch.setattr(registry, "owner_is_gone", judge_slowly)
    registry.kernels(tmp_path)
    assert file.exists()
    assert states(tmp_path) == {"abc": "running"}


# Selection


@pytest.fixture
def three(tmp_path: Path) -> Path:
    write(tmp_path, "aaa-1")
    write(tmp_path, "aab-2", host="odd", title="first")
    write(tmp_path, "4242-3", host="odd", title="second")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("aaa", "aaa-1"),
        ("aab-2", "aab-2"),
        ("python", "aaa-1"),
        ("second", "4242-3"),
        ("4", "4242-3"),
    ],
)
def test_find(three: Path, wanted: str, found: str) -> None:
    assert registry.find(wanted, three).id == found


@pytest.mark.parametrize("wanted", ["aa", "odd", "PID"])
def test_find_fits_several(three: Path, wanted: str) -> None:
    wanted = wanted.replace("PID", str(os.getpid()))
    with pytest.raises(SelectionError, match="matches several kernels") as caught:
        registry.find(wanted, three)
    assert len(caught.value.candidates) > 1


@pytest.mark.parametrize("wanted", ["zzz", "", "AAA", "od", "firs", "*"])
def test_find_fits_none(three: Path, wanted: str) -> None:
    with pytest.raises(SelectionError, match="running:") as caught:
        registry.find(wanted, three)
    assert len(caught.value.candidates) == 3


def test_find_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no kernel is running; start one with"):
        registry.find(None, tmp_path)
    write(tmp_path)
    assert registry.find(None, tmp_path).id == "abc"
    write(tmp_path, "def")
    with pytest.raises(SelectionError, match="several kernels are running; name one"):
        registry.find(None, tmp_path)


def test_a_whole_id_wins_over_longer_ones(tmp_path: Path) -> None:
    write(tmp_path, "abc")
    write(tmp_path, "abcd")
    assert registry.find("abc", tmp_path).id == "abc"


def test_find_by_file(three: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert registry.find("kernel-aaa-1.json", three).id == "aaa-1"
    other = write(tmp_path_factory.mktemp("other"), "far")
    assert registry.find(str(other), three).id == "far"


def test_find_by_a_file_that_is_none_of_ours(tmp_path: Path, closed_port: int) -> None:
    with pytest.raises(ConnectionFileError, match="there is no such file"):
        registry.find("nothing.json", tmp_path)
    stock = tmp_path / "stock.json"
    stock.write_text(ConnectionInfo.fresh().to_json(reveal=True))
    with pytest.raises(ConnectionFileError, match="not the file of a kernel of hostkernel"):
        registry.find(str(stock), tmp_path)
    dead = write(tmp_path, pid=ended_process(), hb_port=closed_port)
    with pytest.raises(SelectionError, match="stale"):
        registry.find(str(dead), tmp_path)
