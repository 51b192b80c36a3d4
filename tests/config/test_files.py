"""Which files are read: the search, its borders, and whom it trusts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from hostkernel.config import files, gather

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Write

    from hostkernel import Host
    from hostkernel.errors import Problem

    Problems = Callable[..., list[Problem]]

LEVEL = '[kernel]\nlog_level = "{}"\n'


def level() -> str:
    return gather().merge({}).validate().kernel.log_level


def test_the_nearest_project_file_is_used(
    write: Write, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("home/hostkernel.toml", LEVEL.format("error"))
    assert level() == "error"
    write("home/project/hostkernel.toml", LEVEL.format("info"))
    (project / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/er")
    assert level() == "info"


def test_pyproject_counts_only_with_a_table_for_us(write: Write, project: Path) -> None:
    write("home/hostkernel.toml", LEVEL.format("error"))
    pyproject = write("home/project/pyproject.toml", "[project]\nname = 'hostkernel-plugin'\n")
    assert level() == "error"
    pyproject.write_text(f"[tool.hostkernel.kernel]\nlog_level = 'info'\n[tool.x]\n{'a = 1'}\n")
    assert level() == "info"
    assert gather().merge({}).origins()["kernel.log_level"] == f"{project}/pyproject.toml:2"
    write("home/project/hostkernel.toml", LEVEL.format("debug"))
    assert level() == "debug"


def test_a_strange_or_broken_pyproject_without_our_name_is_none_of_our_business(
    write: Write,
) -> None:
    write("home/project/pyproject.toml", "[project\n").chmod(0o666)
    assert level() == "warning"


def test_the_search_ends_at_home(write: Write, machine: Path) -> None:
    write("hostkernel.toml", LEVEL.format("error"))
    assert level() == "warning"
    assert gather(cwd=machine).merge({}).validate().kernel.log_level == "error"


def test_the_search_ends_at_a_file_system_boundary() -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == other.parent.stat().st_dev:
        pytest.skip("there is no second file system at hand")
    folder = Path(tempfile.mkdtemp(dir=other))
    try:
        assert list(files.upward(folder)) == [folder, other]
    finally:
        folder.rmdir()


def test_no_search_where_the_caller_wants_none(write: Write) -> None:
    file = write("home/project/hostkernel.toml", LEVEL.format("error"))
    tables = gather(search_project=False)
    assert tables.merge({}).validate().kernel.log_level == "warning"
    assert "project" not in {place.kind for place in tables.places}
    named = gather(search_project=False, config=file)
    assert named.merge({}).validate().kernel.log_level == "error"


def test_a_named_file_replaces_the_project_file_only(
    write: Write, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("user/hostkernel/hostkernel.toml", '[kernel]\non_exit = "stop"')
    write("home/project/hostkernel.toml", LEVEL.format("error"))
    write("home/project/a.toml", "")
    monkeypatch.setenv("HOSTKERNEL_CONFIG", "a.toml")
    kernel = gather().merge({}).validate().kernel
    assert (kernel.log_level, kernel.on_exit) == ("warning", "stop")
    b = write("home/b.toml", LEVEL.format("debug"))
    assert gather(config=Path("~/b.toml")).merge({}).validate().kernel.log_level == "debug"
    assert [place.path for place in gather(config=b).places][-1] == b
    monkeypatch.setenv("HOSTKERNEL_CONFIG", "")
    assert level() == "error"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.toml", "cannot be read: no such file or directory"),
        (".", "cannot be read: is a directory"),
        ("pyproject.toml", "there is no table [tool.hostkernel] in it"),
    ],
)
def test_a_named_file_must_be_one(
    name: str, message: str, write: Write, project: Path, problems: Problems
) -> None:
    write("home/project/pyproject.toml", "[tool.other]")
    (problem,) = problems(gather(config=Path(name)))
    assert (problem.source, problem.message) == (str(project / name), message)
    assert problems(gather(environ={"HOSTKERNEL_CONFIG": name})) == [problem]


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o777])
@pytest.mark.parametrize("name", ["hostkernel.toml", "pyproject.toml"])
def test_a_project_file_that_others_may_write_to_is_refused(
    name: str, mode: int, write: Write, problems: Problems
) -> None:
    text = '[tool.hostkernel]\nhost = "x"' if name == "pyproject.toml" else 'host = "x"'
    file = write(f"home/project/{name}", text)
    file.chmod(mode)
    tables = gather()
    (problem,) = problems(tables)
    assert problem.message == f"refused: other users may write to it (mode {mode:04o})"
    assert problem.source == str(file)
    assert f"chmod go-w {file}" in (problem.expected or "")
    assert tables.places[-1].state == "refused"
    assert tables.files == []
    named = problems(gather(config=file))
    assert [found.key for found in named] == ["host"]


@pytest.mark.parametrize(
    ("group", "members", "trusted"),
    [("me", [], True), ("me", ["me"], True), ("me", ["me", "other"], False), ("staff", [], False)],
)
def test_only_the_owners_private_group_may_write(
    group: str,
    members: list[str],
    trusted: bool,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where each user has a group of their own, files are born writable by it."""
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="me"))
    found = SimpleNamespace(gr_name=group, gr_mem=members)
    monkeypatch.setattr("grp.getgrgid", lambda _: found)
    file = write("home/project/hostkernel.toml", LEVEL.format("error"))
    file.chmod(0o664)
    assert bool(gather().problems) is not trusted


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_project_file_of_another_user_is_refused(write: Write, problems: Problems) -> None:
    file = write("home/project/hostkernel.toml", 'plugins.paths = ["evil.py"]')
    os.chown(file, 12345, -1)
    tables = gather()
    assert tables.plugin_settings().paths == ()
    (problem,) = problems(tables)
    assert problem.message == "refused: it belongs to another user (uid 12345)"
    assert f"--config {file}" in (problem.expected or "")


def test_a_project_file_of_root_is_trusted(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("home/project/hostkernel.toml", LEVEL.format("error"))
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    if owner == 0:
        assert level() == "error"
    else:
        assert "belongs to another user" in gather().problems[0].message


def test_a_file_that_cannot_be_read_is_a_problem(machine: Path, problems: Problems) -> None:
    (machine / "user/hostkernel/hostkernel.toml").mkdir(parents=True)
    (problem,) = problems()
    assert problem.message == "cannot be read: is a directory"


def test_a_place_says_what_became_of_it(write: Write, hosts: dict[str, type[Host]]) -> None:
    user = write("user/hostkernel/hostkernel.toml", "host = 'studio'")
    write("home/project/hostkernel.toml", "x")
    tables = gather()
    assert [(place.kind, place.state) for place in tables.places] == [
        ("site", "absent"),
        ("user", "used"),
        ("project", "unreadable"),
    ]
    assert tables.places[1].path == user
