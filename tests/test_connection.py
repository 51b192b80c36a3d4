"""The connection file: read with clear errors, written whole and private, secrets kept."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from hostkernel.connection import ConnectionInfo, HostFacts, connection_file_name, kernel_id_of
from hostkernel.errors import ConnectionFileError

KEY = "a-very-secret-key"
PUBLIC, SECRET = (key.decode() for key in zmq.curve_keypair())
GOOD: dict[str, Any] = {
    "transport": "tcp",
    "ip": "127.0.0.1",
    "shell_port": 50001,
    "iopub_port": 50002,
    "stdin_port": 50003,
    "control_port": 50004,
    "hb_port": 50005,
    "key": KEY,
    "signature_scheme": "hmac-sha256",
    "kernel_name": "",
}
FACTS = HostFacts(host="python", pid=1, started=2.0, machine="m", kernel_id="abc", title="t")


def write(file: Path, **changes: Any) -> Path:
    content = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kernel-abc.json"


# Reading


def test_what_jupyter_writes_is_read(tmp_path: Path) -> None:
    name, content = write_connection_file(str(tmp_path / "kernel-1.json"), key=KEY.encode())
    info = ConnectionInfo.read(Path(name))
    assert info.ports == {
        channel: content[f"{channel}_port"]
        for channel in ("shell", "iopub", "stdin", "control", "hb")
    }
    assert info.key.get_secret_value() == KEY


def test_fields_with_a_default_may_be_left_out(file: Path) -> None:
    info = ConnectionInfo.read(write(file, signature_scheme=..., kernel_name=...))
    assert info.signature_scheme == "hmac-sha256"
    assert info.kernel_name == ""
    assert info.hostkernel is None


def test_unknown_fields_are_kept(file: Path) -> None:
    info = ConnectionInfo.read(write(file, jupyter_session="x.ipynb"))
    assert json.loads(info.to_json())["jupyter_session"] == "x.ipynb"


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"shell_port": ...}, "shell_port", "this field is missing"),
        ({"hb_port": ..., "key": ...}, "hb_port", "this field is missing"),
        ({"ip": ...}, "ip", "this field is missing"),
        ({"transport": ...}, "transport", "this field is missing"),
        ({"key": ...}, "key", "this field is missing"),
        ({"shell_port": "50001"}, "shell_port", "valid integer"),
        ({"shell_port": 50001.0}, "shell_port", "valid integer"),
        ({"shell_port": True}, "shell_port", "valid integer"),
        ({"shell_port": None}, "shell_port", "valid integer"),
        ({"shell_port": [1]}, "shell_port", "valid integer"),
        ({"shell_port": float("nan")}, "shell_port", "valid integer"),
        ({"iopub_port": -1}, "iopub_port", "greater than or equal to 0"),
        ({"stdin_port": 65536}, "stdin_port", "less than or equal to 65535"),
        ({"control_port": 10**30}, "control_port", "less than or equal to 65535"),
        ({"ip": 127}, "ip", "valid string"),
        ({"ip": ""}, "ip", "at least 1 character"),
        ({"transport": "udp"}, "transport", "'tcp' or 'ipc'"),
        ({"key": None}, "key", "valid string"),
        ({"key": 5}, "key", "valid string"),
        ({"key": "\ud800"}, "key", "surrogates not allowed"),
        ({"kernel_name": {}}, "kernel_name", "valid string"),
        ({"signature_scheme": "sha256"}, "signature_scheme", "pattern"),
        ({"signature_scheme": "hmac-nonsense"}, "signature_scheme", "no digest 'nonsense'"),
        ({"signature_scheme": "hmac-new"}, "signature_scheme", "no digest 'new'"),
        ({"signature_scheme": "hmac-shake_128"}, "signature_scheme", "no digest 'shake_128'"),
        ({"curve_publickey": PUBLIC}, None, "come together or not at all"),
        ({"curve_secretkey": SECRET}, None, "come together or not at all"),
        ({"curve_publickey": PUBLIC, "curve_secretkey": "short"}, None, "40 characters of z85"),
        ({"curve_publickey": "é" * 40, "curve_secretkey": SECRET}, None, "40 characters of z85"),
        ({"hostkernel": {}}, "hostkernel.host", "field required"),
        ({"hostkernel": "me"}, "hostkernel", "valid dictionary"),
        ({"hostkernel": FACTS.model_dump() | {"pid": "x"}}, "hostkernel.pid", "valid integer"),
    ],
)
def test_a_wrong_field_is_named(
    file: Path, changes: dict[str, Any], key: str | None, reason: str
) -> None:
    with pytest.raises(ConnectionFileError) as caught:
        ConnectionInfo.read(write(file, **changes))
    assert (caught.value.key or None) == key
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"{file}: ")
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "this is not JSON: Expecting value: line 1 column 1"),
        (b"{", "this is not JSON"),
        (b'{"ip": }', "line 1 column 8"),
        (b"\xff\xfe\x00", "this is not JSON"),
        (b"\xef\xbb\xbf{}", "this is not JSON"),
        (b"[" * 100_000, "this is not JSON"),
        (b"[]", "expected a JSON object"),
        (b'"text"', "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b"1" * 5000, "this is not JSON"),
    ],
)
def test_what_is_no_connection_file_at_all(file: Path, data: bytes, reason: str) -> None:
    file.write_bytes(data)
    with pytest.raises(ConnectionFileError) as caught:
        ConnectionInfo.read(file)
    assert reason in caught.value.reason
    assert caught.value.__cause__ is None


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("nothing", "there is no such file"),
        ("nothing/below", "there is no such file"),
        ("", "this is not a file"),
        ("pipe", "this is not a file"),
        ("loop", "symbolic links"),
        ("x" * 300, "name too long"),
    ):
        with pytest.raises(ConnectionFileError) as caught:
            ConnectionInfo.read(tmp_path / name)
        assert reason in caught.value.reason


# Writing


def test_written_whole_and_private(file: Path) -> None:
    info = ConnectionInfo.model_validate(GOOD | {"hostkernel": FACTS.model_dump()})
    before = os.umask(0)
    try:
        info.write(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ConnectionInfo.read(file) == info
    assert list(file.parent.iterdir()) == [file]


def test_a_readable_file_becomes_private(file: Path) -> None:
    write(file).chmod(0o644)
    ConnectionInfo.read(file).write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def refused(file: Path, reason: str) -> None:
    before = sorted(file.parent.iterdir())
    with pytest.raises(ConnectionFileError, match=reason):
        ConnectionInfo.fresh().write(file)
    assert sorted(file.parent.iterdir()) == before


def test_a_planted_link_is_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    file.symlink_to(other)
    refused(file, "symbolic link, and may have been planted; remove it")
    assert other.read_text() == "mine"


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runtime"
    folder.mkdir()
    folder.chmod(0o777)
    refused(
        folder / "kernel-1.json", f"other users may write to {folder}; run: chmod go-w {folder}"
    )
    folder.chmod(0o1777)
    ConnectionInfo.fresh().write(folder / "kernel-1.json")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives away")
def test_what_belongs_to_another_user_is_refused(file: Path) -> None:
    ConnectionInfo.fresh().write(file)
    os.chown(file, 65534, -1)
    refused(file, r"another user \(uid 65534\)")
    with pytest.raises(ConnectionFileError, match=r"another user \(uid 65534\)"):
        ConnectionInfo.read(file)
    file.unlink()
    os.chown(file.parent, 65534, -1)
    refused(file, r"another user \(uid 65534\)")


def test_missing_folders_are_made_private(tmp_path: Path) -> None:
    file = tmp_path / "a" / "kernel-1.json"
    ConnectionInfo.fresh().write(file)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_failure_to_write_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for name in ("folder", "file/kernel-1.json", "x" * 300):
        with pytest.raises(ConnectionFileError, match="cannot be written: "):
            ConnectionInfo.fresh().write(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


# Secrets


@pytest.mark.parametrize("show", [repr, str, ConnectionInfo.to_json, lambda info: f"{info!r:>9}"])
def test_secrets_are_masked(show: Any) -> None:
    curve = {"curve_publickey": PUBLIC, "curve_secretkey": SECRET}
    text = show(ConnectionInfo.model_validate(GOOD | curve))
    assert KEY not in text
    assert SECRET not in text
    assert "50001" in text


def test_secrets_are_shown_on_request_only() -> None:
    curve = {"curve_publickey": PUBLIC, "curve_secretkey": SECRET}
    info = ConnectionInfo.model_validate(GOOD | curve)
    shown = json.loads(info.to_json(reveal=True))
    assert shown["key"] == KEY
    assert shown["curve_secretkey"] == SECRET
    assert shown == GOOD | curve


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ConnectionInfo.fresh().shell_port = 1


def test_fresh_keys_differ() -> None:
    first, second = ConnectionInfo.fresh(encrypted=True), ConnectionInfo.fresh(encrypted=True)
    assert first.key != second.key
    assert len(first.key.get_secret_value()) == 64
    assert first.curve_publickey != second.curve_publickey
    assert set(first.ports.values()) == {0}


# Use


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "tcp://127.0.0.1:50001"),
        ({"ip": "::1"}, "tcp://[::1]:50001"),
        ({"ip": "localhost"}, "tcp://localhost:50001"),
        ({"transport": "ipc", "ip": "/run/k", "shell_port": 1}, "ipc:///run/k-1"),
    ],
)
def test_urls(changes: dict[str, Any], url: str) -> None:
    assert ConnectionInfo.model_validate(GOOD | changes).url("shell") == url


def test_stock_clients_take_it(file: Path) -> None:
    info = ConnectionInfo.fresh(encrypted=True).model_copy(update={"hostkernel": FACTS})
    info.write(file)
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    assert client.session.key == info.key.get_secret_value().encode()
    other = BlockingKernelClient()
    other.load_connection_info(info.client_info())
    assert other.get_connection_info() == client.get_connection_info()


def test_names() -> None:
    assert connection_file_name("abc") == "kernel-abc.json"
    assert kernel_id_of(Path("/x/kernel-abc.json")) == "abc"
    assert kernel_id_of(Path("/x/launcher.json")) == "launcher"


@given(
    st.fixed_dictionaries(
        {
            "transport": st.sampled_from(["tcp", "ipc"]),
            "ip": st.text(st.characters(codec="utf-8"), min_size=1),
            "key": st.text(st.characters(codec="utf-8")),
            "kernel_name": st.text(st.characters(codec="utf-8")),
            **{name: st.integers(0, 65535) for name in GOOD if name.endswith("_port")},
        }
    )
)
def test_what_is_written_is_read_again(content: dict[str, Any]) -> None:
    info = ConnectionInfo.model_validate(content)
    assert ConnectionInfo.model_validate_json(info.to_json(reveal=True)) == info


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_is_taken_or_told(value: object) -> None:
    for name in GOOD:
        try:
            ConnectionInfo._checked(Path("x.json"), GOOD | {name: value})
        except ConnectionFileError as error:
            assert error.key == name  # noqa: PT017
