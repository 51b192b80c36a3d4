"""``hostkernel config`` as a shell runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
from pathlib import Path

from hostkernel import Host, HostSettings, hookimpl


class MineSettings(HostSettings):
    scene: Path | None = None
    """The file to open."""


class Mine(Host):
    name = "mine"
    summary = "A host of my own"
    settings_model = MineSettings


@hookimpl
def hostkernel_hosts():
    return [Mine]
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def config(tmp_path: Path, project: Path) -> Config:
    """Run ``hostkernel config ARGS`` in the project, on a machine without any settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOSTKERNEL_")}
    own = {"HOME": "home", "XDG_CONFIG_HOME": "user", "XDG_CONFIG_DIRS": "site"}
    clean = {**inherited, **{name: str(tmp_path / folder) for name, folder in own.items()}}

    def run(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hostkernel", "config", *args]
        return subprocess.run(
            command,
            cwd=project,
            env={**clean, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def save(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)
    return file


def test_show_is_a_settings_file(config: Config, project: Path) -> None:
    shown = config("show", "--set", "kernel.log_level=debug")
    assert (shown.returncode, shown.stderr) == (0, "")
    table = tomllib.loads(shown.stdout)
    assert table["kernel"]["log_level"] == "debug"
    assert {"python", "qt", "blender"} <= set(table["hosts"])
    save(project / "hostkernel.toml", shown.stdout)
    assert config("show").stdout == shown.stdout


def test_show_says_where_each_value_is_set(config: Config, project: Path, tmp_path: Path) -> None:
    user = save(tmp_path / "user/hostkernel/hostkernel.toml", '\n[kernel]\non_exit = "stop"\n')
    file = save(project / "hostkernel.toml", 'kernel.on_shutdown = "stop"\n')
    result = config(
        "show",
        "--origin",
        "--set",
        "connection.encryption=auto",
        HOSTKERNEL_KERNEL__TIME_BUDGET="0.5",
    )
    lines = result.stdout.splitlines()
    assert f'on_exit = "stop"  # {user}:3' in lines
    assert f'on_shutdown = "stop"  # {file}:1' in lines
    assert 'encryption = "auto"  # --set' in lines
    assert "time_budget = 0.5  # HOSTKERNEL_KERNEL__TIME_BUDGET" in lines
    assert 'log_level = "warning"  # default' in lines
    assert "# host is not set  # default" in lines


def test_show_as_json(config: Config) -> None:
    plain = json.loads(config("show", "--json").stdout)
    assert plain["host"] is None
    assert plain["kernel"]["time_budget"] == 0.05
    result = config("show", "--json", "--origin", "--set", "host=python")
    told = json.loads(result.stdout)
    assert told["host"] == {"value": "python", "origin": "--set"}
    assert told["hosts.python.env"] == {"value": {}, "origin": "default"}


def test_check_names_the_files_it_read(config: Config, project: Path, tmp_path: Path) -> None:
    assert config("check").stdout == "ok: no files, only defaults\n"
    user = save(tmp_path / "user/hostkernel/hostkernel.toml", "")
    file = save(project / "pyproject.toml", "[tool.hostkernel]\n")
    result = config("check")
    assert (result.returncode, result.stdout) == (0, f"ok: {user}, {file}\n")
    named = save(project / "other.toml", "")
    assert config("check", "--config", "other.toml").stdout == f"ok: {user}, {named}\n"
    assert config("check", HOSTKERNEL_CONFIG="other.toml").stdout == f"ok: {user}, {named}\n"


def test_check_tells_every_problem_of_every_place_at_once(
    config: Config, project: Path, tmp_path: Path
) -> None:
    user = save(tmp_path / "user/hostkernel/hostkernel.toml", "[kernel]\nlog_levle = 'info'\n")
    file = save(project / "hostkernel.toml", "[hosts.python]\nmode = 'tread'\n[hosts.pyton]\n")
    result = config("check", "--set", "kernel.on_exit=kill", HOSTKERNEL_PLUGINS__PATHS="a.py")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"hostkernel: {user}:2: kernel.log_levle: unknown key\n"
        "    log_levle = 'info'\n"
        "  did you mean kernel.log_level?\n"
        f"{file}:2: hosts.python.mode: wrong value\n"
        "    mode = 'tread'\n"
        "  expected one of serve, thread\n"
        "  did you mean thread?\n"
        f"{file}:3: hosts.pyton: no plugin provides this host\n"
        "    [hosts.pyton]\n"
        "  expected one of blender, python, qt\n"
        "  did you mean hosts.python?\n"
        "HOSTKERNEL_PLUGINS__PATHS: plugins.paths: not JSON: "
        "Expecting value: line 1 column 1 (char 0)\n"
        "    a.py\n"
        '  expected JSON, such as ["a"]\n'
        "--set kernel.on_exit=kill: kernel.on_exit: wrong value\n"
        "  expected one of detach, stop, restart, exit-host\n"
    )


def test_check_tells_programs_what_it_tells_people(
    config: Config, project: Path, tmp_path: Path
) -> None:
    user = save(tmp_path / "user/hostkernel/hostkernel.toml", "")
    result = config("check", "--json")
    assert (result.returncode, json.loads(result.stdout)) == (
        0,
        {"files": [str(user)], "problems": []},
    )
    file = save(project / "hostkernel.toml", "[kernel]\nlog_levle = 'info'\n")
    result = config("check", "--json")
    assert (result.returncode, result.stderr) == (2, "")
    assert json.loads(result.stdout)["problems"] == [
        {
            "source": str(file),
            "line": 2,
            "key": "kernel.log_levle",
            "message": "unknown key",
            "text": "log_levle = 'info'",
            "expected": None,
            "nearest": "kernel.log_level",
        }
    ]
    save(project / "hostkernel.toml", 'plugins.paths = ["none.py"]\n')
    result = config("check", "--json")
    assert result.returncode == 2
    [problem] = json.loads(result.stdout)["problems"]
    assert problem["source"] == str(project / "none.py")


@pytest.mark.parametrize("command", ["show", "check", "init", "schema"])
def test_every_command_fails_on_bad_settings(config: Config, project: Path, command: str) -> None:
    result = config(command, "--set", "kernel.log_level=loud")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--set kernel.log_level=loud: kernel.log_level: wrong value" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(project.iterdir()) == []


def test_a_file_others_may_write_to_is_refused(config: Config, project: Path) -> None:
    save(project / "mine.py", PLUGIN + "\nprint('it ran')\n")
    file = save(project / "hostkernel.toml", 'plugins.paths = ["mine.py"]\n')
    file.chmod(0o666)
    result = config("check")
    assert result.returncode == 2
    assert f"{file}: refused: other users may write to it (mode 0666)" in result.stderr
    assert "it ran" not in result.stdout + result.stderr
    assert config("check", "--config", str(file)).returncode == 0


def test_a_local_plugin_types_its_own_table(config: Config, project: Path) -> None:
    save(project / "lib/mine.py", PLUGIN)
    file = save(
        project / "hostkernel.toml",
        'plugins.paths = ["lib/mine.py"]\n[hosts.mine]\nscene = "s.scene"\n',
    )
    table = tomllib.loads(config("show").stdout)
    assert table["hosts"]["mine"]["scene"] == str(project / "s.scene")
    schema = json.loads(config("schema").stdout)
    described = schema["$defs"]["MineSettings"]["properties"]["scene"]["description"]
    assert described == "The file to open."
    assert "# A host of my own\n[hosts.mine]\n" in config("init", "-").stdout
    file.write_text(file.read_text().replace("scene", "scen"))
    assert "did you mean hosts.mine.scene?" in config("check").stderr


def test_a_local_plugin_that_is_not_there_fails_the_check(config: Config, project: Path) -> None:
    save(project / "hostkernel.toml", 'plugins.paths = ["none.py"]\n')
    result = config("check")
    assert (result.returncode, result.stdout) == (2, "")
    assert str(project / "none.py") in result.stderr
    assert config("show").returncode == 0


def test_the_table_of_a_disabled_plugin_may_stay(config: Config, project: Path) -> None:
    save(project / "hostkernel.toml", 'plugins.disable = ["qt"]\n[hosts.qt]\ncommand = ["x"]\n')
    assert config("check").returncode == 0


def test_init_writes_a_file_that_changes_nothing(config: Config, project: Path) -> None:
    before = config("show", "--json").stdout
    result = config("init")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "wrote hostkernel.toml\n"
    file = project / "hostkernel.toml"
    assert file.read_text() == config("init", "-").stdout
    assert config("check").stdout == f"ok: {file}\n"
    assert config("show", "--json").stdout == before


def test_init_overwrites_nothing(config: Config, project: Path) -> None:
    (project / "sub").mkdir()
    assert config("init", "sub").returncode == 0
    file = save(project / "hostkernel.toml", "# mine\n")
    result = config("init")
    assert result.returncode == 2
    assert result.stderr.startswith("hostkernel: hostkernel.toml: is there already\n")
    assert file.read_text() == "# mine\n"
    assert (project / "sub/hostkernel.toml").stat().st_mode & 0o022 == 0
    missing = config("init", "none/x.toml")
    assert (missing.returncode, "Traceback" in missing.stderr) == (2, False)


def test_init_writes_no_file_that_would_be_refused(config: Config, project: Path) -> None:
    old = os.umask(0)
    try:
        assert config("init").returncode == 0
    finally:
        os.umask(old)
    assert config("check").returncode == 0


def test_path_tells_every_place_the_strongest_first(
    config: Config, project: Path, tmp_path: Path
) -> None:
    user = save(tmp_path / "user/hostkernel/hostkernel.toml", "x = ")
    result = config("path")
    assert result.returncode == 0
    assert [line.split(maxsplit=2) for line in result.stdout.splitlines()] == [
        [
            "absent",
            "project",
            f"hostkernel.toml or pyproject.toml [tool.hostkernel] in {project} or above",
        ],
        ["unreadable", "user", str(user)],
        ["absent", "site", str(tmp_path / "site/hostkernel/hostkernel.toml")],
    ]
    assert f"{user}:1: not TOML" in result.stderr
    project_place, user_place, _ = json.loads(config("path", "--json").stdout)
    assert project_place == {"state": "absent", "kind": "project", "path": str(project)}
    assert user_place == {"state": "unreadable", "kind": "user", "path": str(user)}
    file = save(project / "hostkernel.toml", "")
    assert config("path").stdout.splitlines()[0].split() == ["used", "project", str(file)]
    named = config("path", "--config", "x.toml").stdout.splitlines()[0]
    assert named.split() == ["unreadable", "named", str(project / "x.toml")]


def test_the_schema_is_one_and_knows_every_host(config: Config) -> None:
    schema = json.loads(config("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert {"python", "qt", "blender"} <= set(schema["$defs"]["Hosts"]["properties"])


def test_no_command_gives_help(config: Config) -> None:
    result = config()
    assert result.returncode == 2
    assert "Usage: hostkernel config" in result.stdout + result.stderr
