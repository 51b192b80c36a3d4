"""Settings and plugins in one step: what is loaded, what is blamed, and what stays unloaded."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hostkernel.config import check, gather
from hostkernel.errors import ConfigError, PluginError, UnknownHostError
from hostkernel.loading import load, read

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Write

    from hostkernel.config import Tables
    from hostkernel.config.layer import Merged
    from hostkernel.config.tree import Hosts

PLUGIN = """
    from pathlib import Path
    from hostkernel import Host, HostSettings, hookimpl

    class AtelierSettings(HostSettings):
        scene: Path = Path("none")

    class Atelier(Host):
        name = "atelier"
        settings_model = AtelierSettings

    @hookimpl
    def hostkernel_hosts():
        return [Atelier]
    """
SETTINGS = """
    [plugins]
    paths = ["atelier.py"]
    [hosts.atelier]
    scene = "a.scene"
    """


@pytest.fixture
def atelier(write: Write) -> Path:
    """A project file that names a plugin beside it, and sets its host."""
    write("home/project/atelier.py", PLUGIN)
    return write("home/project/hostkernel.toml", SETTINGS)


def test_a_plugin_that_the_settings_name_types_its_table(atelier: Path) -> None:
    loaded = load(["kernel.log_level=debug"], host="atelier")
    assert (loaded.settings.host, loaded.settings.kernel.log_level) == ("atelier", "debug")
    host = loaded.host("atelier")
    assert host.settings is loaded.settings.hosts["atelier"]
    assert host.settings.model_dump()["scene"] == atelier.with_name("a.scene")
    origins = loaded.raw.origins()
    assert (origins["host"], origins["hosts.atelier.scene"]) == ("--host", f"{atelier}:5")


def test_a_host_is_named_or_detected() -> None:
    loaded = load()
    assert loaded.host("python").name == "python"
    assert type(loaded.host()) is loaded.plugins.detect()
    with pytest.raises(UnknownHostError, match="pyton"):
        loaded.host("pyton")


@pytest.mark.usefixtures("atelier")
def test_plugins_of_a_project_file_that_is_not_searched_stay_unloaded() -> None:
    assert "atelier" in load().plugins.hosts
    assert "atelier" not in load(search_project=False).plugins.hosts


def test_a_named_file_is_used_in_place_of_the_project_file(atelier: Path, write: Write) -> None:
    other = write("home/other.toml", "kernel.log_level = 'error'")
    assert load(config=other).settings.kernel.log_level == "error"
    assert "atelier" not in load(config=other).plugins.hosts
    assert "atelier" in load(config=atelier, search_project=False).plugins.hosts


def test_all_problems_are_raised_at_once_with_their_place(atelier: Path) -> None:
    atelier.write_text(f"{atelier.read_text()}colour = 1\n[kernel]\ntime_budget = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load(["host=nobody", "kernel.on_exit=never"])
    found = [(problem.source, problem.line, problem.key) for problem in caught.value.problems]
    assert found == [
        (str(atelier), 6, "hosts.atelier.colour"),
        (str(atelier), 8, "kernel.time_budget"),
        ("--set host=nobody", None, "host"),
        ("--set kernel.on_exit=never", None, "kernel.on_exit"),
    ]


def test_a_broken_plugin_is_reported_and_blamed_where_its_host_is_used(atelier: Path) -> None:
    plugin = atelier.with_name("atelier.py")
    plugin.write_text("1 / 0")
    reported: list[PluginError] = []
    loaded = read(gather(host="atelier"), reported.append).check()
    assert [problem.plugin for problem in reported] == [str(plugin)]
    assert loaded.plugins.problems == reported
    with pytest.raises(PluginError, match="ZeroDivisionError") as caught:
        loaded.host("atelier")
    assert caught.value is reported[0]


@pytest.mark.usefixtures("atelier")
def test_plugins_are_known_before_wrong_settings_are_refused() -> None:
    unchecked = read(gather(["kernel.time_budget=x"]))
    assert "atelier" in unchecked.plugins.hosts
    with pytest.raises(ConfigError, match=r"kernel\.time_budget"):
        unchecked.check()


@pytest.mark.usefixtures("atelier")
def test_the_settings_are_merged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[Tables] = []
    merge_tables = check.merge_tables

    def counted(tables: Tables, hosts: Hosts) -> Merged:
        merged.append(tables)
        return merge_tables(tables, hosts)

    monkeypatch.setattr(check, "merge_tables", counted)
    monkeypatch.setenv("HOSTKERNEL_KERNEL__ECHO", "true")
    monkeypatch.setenv("HOSTKERNEL_PLUGINS__DISABLE", '["x"]')
    loaded = load(["kernel.on_exit=stop"])
    loaded.raw.origins()
    loaded.raw.dump("atelier")
    of_plugins, everything = merged
    assert everything is loaded.raw.tables
    assert [layer.table for layer in of_plugins.files] == [{"plugins": {"paths": ["atelier.py"]}}]
    assert set(of_plugins.variables) == {"HOSTKERNEL_PLUGINS__DISABLE"}
    assert of_plugins.options == []


def test_without_settings_little_is_imported() -> None:
    code = """if True:
        import sys
        from hostkernel.loading import load
        load().host()
        names = ("check", "environment", "layer", "options", "paths", "tree")
        unwanted = {f"hostkernel.config.{name}" for name in names} | {"tomllib", "tomli_w"}
        loaded = unwanted & set(sys.modules)
        sys.exit(f"loaded: {loaded}" if loaded else 0)
        """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
