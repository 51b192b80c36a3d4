"""What is generated from docstrings: sample, table, schema, and the values in effect."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from hostkernel import HostSettings
from hostkernel.config import Settings, gather, render
from hostkernel.config.docstrings import class_docstring, field_docstring
from hostkernel.config.tree import Table, settings_tree
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from conftest import Write

    from hostkernel import Host

    Hosts = dict[str, type[Host]]


@pytest.fixture(params=["fixtures", "bundled"])
def all_hosts(request: pytest.FixtureRequest, hosts: Hosts) -> Hosts:
    return hosts if request.param == "fixtures" else dict(Plugins.load().hosts)


def test_every_bundled_setting_and_table_is_described() -> None:
    for node in settings_tree(Plugins.load().hosts).walk():
        assert node.description or node.key == ("hosts",), node.key


def test_a_docstring_is_found_in_the_nearest_class(hosts: Hosts) -> None:
    model = hosts["studio"].settings_model
    assert field_docstring(model, "mode") == "How to go about it."
    assert field_docstring(model, "env") == field_docstring(HostSettings, "env") != ""
    assert field_docstring(model, "window") == field_docstring(model, "nothing") == ""
    assert class_docstring(model) == "A studio's host."
    assert class_docstring(hosts["picky"].settings_model) == ""


def test_a_class_without_source_has_no_docstrings() -> None:
    made: Any = type("Made", (HostSettings,), {"__annotations__": {"a": int}, "a": 1})
    assert field_docstring(made, "a") == ""


def test_the_sample_is_valid_and_changes_nothing(write: Write, all_hosts: Hosts) -> None:
    text = render.sample(all_hosts)
    write("home/project/hostkernel.toml", "").write_text(text)
    assert all(len(line) <= 100 for line in text.splitlines())
    raw = gather().merge(all_hosts)
    assert set(raw.origins().values()) == {"default"}
    settings = raw.validate()
    for name, found in settings.hosts.items():
        assert found == all_hosts[name].settings_model()
    assert settings.model_copy(update={"hosts": {}}) == Settings()


def test_the_sample_with_every_line_in_force_gives_the_defaults(
    write: Write, all_hosts: Hosts
) -> None:
    lines = [line for line in render.sample(all_hosts).splitlines() if "# not set" not in line]
    active = [re.sub(r"^#(?! |$)", "", line) for line in lines]
    write("home/project/hostkernel.toml", "\n".join(active))
    raw = gather(["hosts.picky.needed=x"] if "picky" in all_hosts else ()).merge(all_hosts)
    settings = raw.validate()
    assert settings.model_copy(update={"hosts": {}}) == Settings()
    for name in all_hosts.keys() - {"picky"}:
        given = settings.hosts[name].model_dump(exclude={"panel"})
        assert given == all_hosts[name].settings_model().model_dump(exclude={"panel"})
    assert "hostkernel.toml:" in raw.origins()["kernel.log_level"]


def test_the_sample_names_every_setting(all_hosts: Hosts) -> None:
    text = render.sample(all_hosts)
    active = "\n".join(re.sub(r"^#(?! |$)", "", line) for line in text.splitlines())
    table = tomllib.loads(active)
    for setting in settings_tree(all_hosts).settings():
        assert render.look_up(table, setting.key) is not None, setting.key
        assert setting.description in re.sub(r"\n# ", " ", text)


def test_choices_and_missing_defaults_are_told(hosts: Hosts) -> None:
    lines = render.sample(hosts).splitlines()
    assert '# One of "fast", "safe".' in lines
    assert '#needed = "..."  # there is no default' in lines
    assert "# A studio" in lines
    assert "[hosts.studio]" in lines
    assert "#[hosts.picky]" in lines, "its header alone would already lack something"
    assert "#[hosts.studio.panel]" in lines, "its header alone would already make a panel"
    assert lines[lines.index("# How the window looks.") + 1] == "[hosts.studio.window]"


def test_the_table_has_a_row_for_every_setting(all_hosts: Hosts) -> None:
    rows = render.markdown(all_hosts).splitlines()[2:]
    keys = [row.split("`")[1] for row in rows]
    common = {f"hosts.NAME.{name}" for name in HostSettings.model_fields}
    expected = {".".join(setting.key) for setting in settings_tree(all_hosts).settings()}
    own = {key for key in expected if key.rpartition(".")[2] not in HostSettings.model_fields}
    assert set(keys) == own | common
    assert len(keys) == len(set(keys))
    assert all(len(re.split(r"(?<!\\)\|", row)) == 6 for row in rows)


def test_the_schema_has_every_setting_with_its_docstring(all_hosts: Hosts) -> None:
    schema = render.json_schema(all_hosts)
    json.dumps(schema)
    for node in settings_tree(all_hosts).walk():
        found = at(schema, schema, node.key)
        if not isinstance(node, Table):
            assert found["description"] == node.description


def at(node: Any, schema: Any, key: tuple[str, ...]) -> Any:
    for part in key:
        reference = node.get("$ref") or node.get("anyOf", [{}])[0].get("$ref")
        while reference:
            node = schema["$defs"][reference.rpartition("/")[2]]
            reference = node.get("$ref")
        assert node["additionalProperties"] is False
        node = node["properties"][part]
    return node


def test_what_is_shown_can_be_read_back(write: Write, hosts: Hosts) -> None:
    overrides = ["hosts.studio.env={'a b'='\"'}", "hosts.studio.scenes=['x']", "host=studio"]
    overrides += ["hosts.studio.window.icon=i", "hosts.picky.needed='\u00e4\\n'"]
    settings = gather(overrides).merge(hosts).validate()
    text = render.shown(render.effective(settings, hosts), hosts, gather().merge(hosts).origins())
    write("home/project/hostkernel.toml", "").write_text(text)
    again = gather().merge(hosts).validate()
    assert again == settings
    assert "# program is not set  # default" in text.splitlines()


def test_a_host_without_what_it_needs_is_not_shown(hosts: Hosts) -> None:
    table = render.effective(gather().merge(hosts).validate(), hosts)
    assert set(table["hosts"]) == {"studio"}
    assert "picky" not in render.shown(table, hosts, None)
    json.dumps(table)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "[]"),
        ({}, "{}"),
        ([1, [True, "x"]], '[1, [true, "x"]]'),
        ({"a b": {"c": 0.5}, "none": None}, '{ "a b" = { c = 0.5 } }'),
        ('a\n"b"\\', '"a\\n\\"b\\"\\\\"'),
    ],
)
def test_values_fit_on_one_line(value: object, text: str) -> None:
    assert render.inline(value) == text
    assert "\n" not in text
    tomllib.loads(f"x = {text}")
