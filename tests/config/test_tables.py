"""Layers: which is stronger, how they merge, and where each value came from."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from hostkernel.config import gather, load_dump
from hostkernel.errors import ConfigError, PluginError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Write

    from hostkernel import Host

    Hosts = dict[str, type[Host]]

KEY = "kernel.log_level"


@pytest.fixture
def everywhere(write: Write, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One setting in every place; the origins, the weakest first."""
    text = '\n[kernel]\nlog_level = "error"\n'
    names = ("site/hostkernel/hostkernel.toml", "user/hostkernel/hostkernel.toml")
    files = [write(name, text) for name in (*names, "home/project/hostkernel.toml")]
    monkeypatch.setenv("HOSTKERNEL_KERNEL__LOG_LEVEL", "info")
    return ["default", *(f"{file}:3" for file in files), "HOSTKERNEL_KERNEL__LOG_LEVEL", "--set"]


def test_each_place_is_stronger_than_the_one_before(
    everywhere: list[str], hosts: Hosts, monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    raw = gather([f"{KEY}=debug"]).merge(hosts)
    assert raw.validate().kernel.log_level == "debug"
    found = [raw.origins()[KEY], gather().merge(hosts).origins()[KEY]]
    assert gather().merge(hosts).validate().kernel.log_level == "info"
    monkeypatch.delenv("HOSTKERNEL_KERNEL__LOG_LEVEL")
    for name in ("home/project/hostkernel.toml", "user/hostkernel/hostkernel.toml"):
        found.append(gather().merge(hosts).origins()[KEY])
        (machine / name).unlink()
    found.append(gather().merge(hosts).origins()[KEY])
    (machine / "site/hostkernel/hostkernel.toml").unlink()
    found.append(gather().merge(hosts).origins()[KEY])
    assert found == everywhere[::-1]
    assert gather().merge(hosts).validate().kernel.log_level == "warning"


def test_tables_merge_and_lists_replace(write: Write, hosts: Hosts) -> None:
    write(
        "user/hostkernel/hostkernel.toml",
        """
        [kernel]
        log_level = "error"
        on_exit = "stop"
        [plugins]
        disable = ["a", "b"]
        [hosts.studio.env]
        A = "user"
        B = "user"
        """,
    )
    write(
        "home/project/hostkernel.toml",
        """
        kernel.log_level = "info"
        plugins.disable = ["c"]
        hosts.studio.env.B = "project"
        """,
    )
    settings = gather(['hosts.studio={mode="safe", window.width=3}']).merge(hosts).validate()
    assert settings.kernel.log_level == "info"
    assert settings.kernel.on_exit == "stop"
    assert settings.plugins.disable == ("c",)
    assert settings.hosts["studio"].env == {"A": "user", "B": "project"}
    assert settings.hosts["studio"].model_dump()["mode"] == "safe"
    assert settings.hosts["studio"].model_dump()["window"]["width"] == 3


def test_later_overrides_win_and_host_is_the_strongest(hosts: Hosts) -> None:
    overrides = ["host=picky", f"{KEY}=info", f"{KEY}=debug"]
    raw = gather(overrides, host="studio").merge(hosts)
    settings = raw.validate()
    assert (settings.host, settings.kernel.log_level) == ("studio", "debug")
    assert raw.origins()["host"] == "--host"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a b", "a b"),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}),
        ("true", True),
        ("", ""),
        ("a=b", "a=b"),
        ("[1", "[1"),
        ("1\ny = 2", "1\ny = 2"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_an_override_is_toml_or_a_string(written: str, value: object) -> None:
    assert gather([f'a."b.c" = {written}']).options[0].table == {"a": {"b.c": value}}


def test_nothing_said_is_all_defaults(hosts: Hosts) -> None:
    raw = gather().merge(hosts)
    assert set(raw.origins().values()) == {"default"}
    assert raw.validate().for_host(hosts["studio"]).model_dump()["mode"] == "fast"


def test_a_host_that_needs_a_table_says_so_only_when_it_is_used(hosts: Hosts) -> None:
    settings = gather().merge(hosts).validate()
    with pytest.raises(ConfigError, match=r"hosts\.picky: .* no default for needed"):
        settings.for_host(hosts["picky"])
    given = gather(["hosts.picky.needed=x"]).merge(hosts).validate()
    assert given.for_host(hosts["picky"]) is given.hosts["picky"]


def test_settings_are_frozen(hosts: Hosts) -> None:
    settings = gather(["hosts.studio.mode=safe"]).merge(hosts).validate()
    for model, field in ((settings, "host"), (settings.kernel, "log_level")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, field, "x")
    with pytest.raises(ValidationError, match="frozen"):
        settings.hosts["studio"].command = ()  # type: ignore[misc]


PATHS = """
    [hosts.studio]
    command = ["./wrap.sh", "./argument"]
    scenes = ["a.scene", "/b.scene", "~/c.scene"]
    libraries = { x = "lib/x", y = "../y" }
    pair = ["name", "file"]
    label = "just/text"
    env.HERE = "./text"
    window.icon = "icon.png"
    program = "builtin"
    """


def test_relative_paths_are_relative_to_their_file(
    write: Write, hosts: Hosts, machine: Path
) -> None:
    base = write("user/hostkernel/hostkernel.toml", PATHS).parent
    found: Any = gather().merge(hosts).validate().hosts["studio"]
    assert found.command == (f"{base}/wrap.sh", "./argument")
    scenes = ["/b.scene", str(machine / "home/c.scene")]
    assert [*map(str, found.scenes)] == [f"{base}/a.scene", *scenes]
    assert found.libraries == {"x": base / "lib/x", "y": base / "../y"}
    assert found.pair == ("name", base / "file")
    assert (found.label, found.env) == ("just/text", {"HERE": "./text"})
    assert found.window.icon == base / "icon.png"
    assert found.program == "builtin"


def test_paths_of_options_and_variables_are_relative_to_the_working_directory(
    hosts: Hosts, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTKERNEL_HOSTS__STUDIO__SCENES", '["a"]')
    monkeypatch.setenv("HOSTKERNEL_PLUGINS__PATHS", '["p.py"]')
    tables = gather(["hosts.studio.program=bin/x", "hosts.studio.command=['wrap']"])
    found: Any = tables.merge(hosts).validate().hosts["studio"]
    assert found.scenes == (project / "a",)
    assert found.program == project / "bin/x"
    assert found.command == ("wrap",)
    assert tables.plugin_settings().paths == (project / "p.py",)


def test_plugin_settings_need_no_hosts_and_never_fail(write: Write, project: Path) -> None:
    file = write("home/project/hostkernel.toml", 'plugins.paths = ["p.py"]\n[hosts.x]\ny = 1')
    assert gather(["kernel.log_level=loud"]).plugin_settings().paths == (project / "p.py",)
    file.write_text("plugins.paths = 3")
    assert gather().plugin_settings().paths == ()


def test_what_is_dumped_outside_means_the_same_inside(
    write: Write, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("home/project/hostkernel.toml", PATHS + '\n    [hosts.picky]\n    needed = "x"')
    monkeypatch.setenv("HOSTKERNEL_KERNEL", '{"time_budget": 1, "on_exit": null}')
    monkeypatch.setenv("HOSTKERNEL_HOSTS__STUDIO__ENV__MixedCase", "1")
    text = gather([f"{KEY}=debug"], host="studio").merge(hosts).dump("studio")
    monkeypatch.chdir("/")
    settings = load_dump(text, "the dump").merge({"studio": hosts["studio"]}).validate()
    assert settings.host == "studio"
    assert settings.kernel.log_level == "debug"
    assert settings.hosts["studio"].env == {"HERE": "./text", "MixedCase": "1"}
    assert set(settings.hosts) == {"studio"}
    assert (settings.kernel.time_budget, settings.kernel.on_exit) == (1, "detach")


def test_a_dump_that_is_not_toml_names_its_source() -> None:
    with pytest.raises(ConfigError, match=r"the dump:1: not TOML"):
        load_dump("x =", "the dump")


def test_hosts_of_broken_or_disabled_plugins_are_no_problem(hosts: Hosts) -> None:
    broken = [PluginError("gone", "it is broken")]
    raw = gather(["hosts.gone.x=1", "host=gone"]).merge(hosts)
    assert raw.validate(broken).host == "gone"
    with pytest.raises(ConfigError, match="no plugin provides this host"):
        raw.validate()
    disabled = gather(["hosts.gone.x=1", "plugins.disable=['gone']"])
    assert disabled.merge(hosts).validate().hosts == {}


def test_without_a_file_or_an_option_little_is_loaded() -> None:
    code = """if True:
        import sys
        from hostkernel import Host
        from hostkernel.config import gather
        gather().merge({"x": type("X", (Host,), {"name": "x"})}).validate()
        loaded = {"hostkernel.config.check", "tomllib", "tomli_w", "difflib"} & set(sys.modules)
        sys.exit(f"loaded: {loaded}" if loaded else 0)
        """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
