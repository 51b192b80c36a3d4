"""The first lines inside a host: old Pythons, ``sys.path``, the report, odd ways of running it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.runs import need

from hostkernel.launch import bootstrap
from hostkernel.launch.orders import Orders, site_directories

if TYPE_CHECKING:
    from support.world import World

FILE = Path(bootstrap.__file__)
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def other_pythons() -> dict[str, Path]:
    """Pythons of other minor versions on this machine, by version."""
    found = {}
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    for minor in range(6, 20):
        version = f"3.{minor}"
        candidates = [path for root in roots for path in root.glob(f"{version}.*/bin/python")]
        on_path = shutil.which(f"python{version}")
        candidates += [Path(on_path)] if on_path else []
        works = [path for path in candidates if _version_of(path) == version]
        if works and version != THIS:
            found[version] = works[0]
    return found


def _version_of(python: Path) -> str:
    code = "import sys; print('%s.%s' % sys.version_info[:2])"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip()


def ran(folder: Path, *command: str | Path) -> list[dict[str, Any]]:
    """The report of a host that runs ``command`` with orders in ``folder``."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HOST"))
    }
    subprocess.run(
        command, env=env | {bootstrap.VARIABLE: str(folder)}, check=False, capture_output=True
    )
    lines = (folder / bootstrap.REPORT).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_an_old_python_can_parse_it() -> None:
    ast.parse(FILE.read_text(), feature_version=(3, 6))


def test_nothing_but_the_standard_library_is_imported_at_its_top() -> None:
    for node in ast.parse(FILE.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    old = {version: path for version, path in other_pythons().items() if int(version[2:]) < 11}
    need(old, "a Python older than 3.11")
    for version, python in old.items():
        folder = tmp_path / version
        folder.mkdir()
        begin, error = ran(folder, python, FILE)
        assert begin["event"] == "process"
        assert error["event"] == "error"
        assert error["reason"] == f"this host's Python is {version}; hostkernel needs 3.11 or newer"
        assert error["traceback"] is None


def test_another_minor_version_is_told(tmp_path: Path) -> None:
    others = {version: path for version, path in other_pythons().items() if int(version[2:]) > 10}
    need(others, "a Python of another version, 3.11 or newer")
    for version, python in others.items():
        with Orders("python", "", "id").written_below(tmp_path) as folder:
            error = ran(folder, python, FILE)[-1]
        assert (
            error["reason"]
            == f"this host's Python is {version}, hostkernel is installed for {THIS}"
        )
        assert f"Install hostkernel for Python {version}" in error["hint"]


def test_run_tells_of_a_python_that_is_too_old(world: World) -> None:
    old = {version: path for version, path in other_pythons().items() if int(version[2:]) < 11}
    need(old, "a Python older than 3.11")
    for version, python in old.items():
        result = world.run("run", "--set", f"hosts.python.command=['{python}']")
        assert result.returncode == 3
        message = f"python did not start: this host's Python is {version}; hostkernel needs 3.11"
        assert message in result.stderr
        assert f"command: {python} {FILE}" in result.stderr


# The orders


def test_orders_are_private_and_gone_once_read(tmp_path: Path) -> None:
    with Orders("nobody", "", "id").written_below(tmp_path / "runtime") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / bootstrap.ORDERS).stat().st_mode) == 0o600
        report = ran(folder, sys.executable, FILE)
        assert "there is no host 'nobody'" in report[-1]["reason"]
        assert not (folder / bootstrap.ORDERS).exists()
    assert not list((tmp_path / "runtime").iterdir())


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        (None, "FileNotFoundError"),
        ("host = ", "TOMLDecodeError"),
        ("", "KeyError"),
        (f'python = "{THIS}"\nsites = []\nsettings = "= ="\nhost = "python"', "not TOML"),
    ],
)
def test_orders_that_cannot_be_followed(tmp_path: Path, orders: str | None, reason: str) -> None:
    if orders is not None:
        (tmp_path / bootstrap.ORDERS).write_text(orders)
    assert reason in ran(tmp_path, sys.executable, FILE)[-1]["reason"]


def test_run_by_hand_it_says_what_it_is() -> None:
    result = subprocess.run([sys.executable, FILE], capture_output=True, text=True, check=False)
    assert "for hosts that `hostkernel run` starts" in result.stderr
    assert "Traceback" not in result.stderr


def test_imported_it_does_nothing() -> None:
    code = "import hostkernel.launch.bootstrap as b, os; print(os.environ[b.VARIABLE])"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {bootstrap.VARIABLE: "kept"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "kept"


def test_a_host_that_runs_it_twice(world: World) -> None:
    file = str(FILE)
    again = f"exec(compile(open({file!r}).read(), {file!r}, 'exec'), {{'__name__': 'x'}})"
    after = f"{again}\nprint('second time', flush=True)\nimport time; time.sleep(99)"
    run = world.odd(
        "--set", "hosts.odd.main=kernel.start()",
        "--set", f"hosts.odd.after={after}",
    )  # fmt: skip
    run.until_up()
    run.until("second time")
    assert "Traceback" not in run.stderr
    assert "This file is for hosts" not in run.stderr
    assert world.exec("print(6 * 7)") == "42"


def test_a_host_that_runs_its_text(world: World) -> None:
    """Such code has no file: neither a folder to take off sys.path, nor one to load again."""
    text = f"exec(open({str(FILE)!r}).read()); print('behind it', flush=True)"
    program = json.dumps([sys.executable, "-c", f"{text}; import time; time.sleep(99)"])
    run = world.odd(
        "--set", f"hosts.odd.program={program}",
        "--set", "hosts.odd.main=kernel.start()",
    )  # fmt: skip
    run.until_up()
    run.until("behind it")
    assert "Traceback" not in run.stderr
    assert world.exec("print(6 * 7)") == "42"
    assert world.exec("import sys; print('' in sys.path)") == "True"


# sys.path

PATH = "import sys, json; print(json.dumps(sys.path), flush=True)"


def test_in_front_while_the_kernel_comes_up_and_behind_afterwards(world: World) -> None:
    """A bare Python that shares nothing but its version with this one."""
    run = world.odd(
        "--set", f"hosts.odd.command=['{sys.executable}', '-I', '-S']",
        "--set", f"hosts.odd.before={PATH}",
        "--set", f"hosts.odd.main={PATH}\nkernel.run()",
    )  # fmt: skip
    run.until_up()
    before, during = (json.loads(line) for line in run.stdout.splitlines()[:2])
    after = json.loads(world.exec("import sys, json; print(json.dumps(sys.path))"))
    added = [entry for entry in during if entry not in before]
    assert added
    assert str(Path(pytest.__file__).parents[1]) in added
    assert during == added + before
    assert [entry for entry in after if entry in during] == before + added
    assert world.exec("import pytest; print(pytest.__name__)") == "pytest"


def test_a_failed_start_leaves_the_path_as_it_was(world: World) -> None:
    result = world.run_odd(
        "--set", f"hosts.odd.command=['{sys.executable}', '-I', '-S']",
        "--set", f"hosts.odd.before={PATH}",
        "--set", "hosts.odd.main=1 / 0",
        "--set", f"hosts.odd.after={PATH}",
    )  # fmt: skip
    assert result.returncode == 3
    before, after = (json.loads(line) for line in result.stdout.splitlines())
    assert before == after


def test_what_is_there_already_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = list(site_directories())
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    added = bootstrap._put_in_front(sites)
    assert set(added).isdisjoint(before)
    assert sys.path == added + before
    bootstrap._put_behind(added)
    assert sys.path == before + added


def test_paths_of_editable_installs_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, site_folder = tmp_path / "checkout", tmp_path / "site-packages"
    checkout.mkdir()
    site_folder.mkdir()
    (site_folder / "editable.pth").write_text(f"{checkout}\n")
    monkeypatch.setattr(sys, "path", ["host", *sys.path])
    before = list(sys.path)
    added = bootstrap._put_in_front([str(site_folder)])
    assert added == [str(site_folder), str(checkout)]
    assert sys.path == added + before
    bootstrap._put_behind([*added, "gone meanwhile"])
    assert sys.path == before + added


# The report


def test_the_report_outlives_whoever_waited_for_it(tmp_path: Path) -> None:
    report = bootstrap.Report(str(tmp_path / "gone" / "report.jsonl"))
    report.step("on")
    assert report.file is None
    report.step("and on")
    assert report.current == "and on"


@pytest.mark.parametrize(
    ("error", "reason", "has_traceback"),
    [
        (ValueError("no"), "ValueError: no", True),
        (KeyboardInterrupt(), "interrupted", True),
        (SystemExit(), "it exited with status 0 before its kernel was up", True),
        (SystemExit("why"), "it exited with status why before its kernel was up", True),
        (bootstrap.CannotStartError("plain"), "plain", False),
    ],
)
def test_why_it_failed(error: BaseException, reason: str, has_traceback: bool) -> None:
    trouble = bootstrap.describe(error)
    assert trouble.reason == reason
    assert (trouble.traceback is not None) == has_traceback
