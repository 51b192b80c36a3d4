"""Where plugins come from, and what is known of them."""

from __future__ import annotations

import os
import shutil
import sys
from itertools import count

import pytest
from plugins.conftest import KERNEL

from hostkernel import PluginError, hookimpl
from hostkernel.plugins import Plugins

MINE = """
from dataclasses import dataclass
from hostkernel import Host, hookimpl

@dataclass
class Data:
    field: int = 1

class Mine(Host):
    name = "mine"

@hookimpl
def hostkernel_hosts():
    yield Mine
"""


def test_an_installed_plugin_in_full(healthy):
    (info,) = [info for info in Plugins.load().loaded if info.name == "healthy"]
    assert (info.distribution, info.version, info.path) == ("healthy-dist", "1.2", None)
    assert (info.hosts, info.problem, info.disabled) == (("healthy",), None, False)


def test_what_is_installed_or_removed_meanwhile_counts(site):
    moments = count(1_000_000_000)

    def found():
        """What is found once the folder is at rest."""
        os.utime(site.folder, times=(moment := next(moments), moment))
        names = [plugin.name for plugin in Plugins.load().loaded]
        assert [plugin.name for plugin in Plugins.load().loaded] == names
        return set(names) - {"python", "qt", "blender"}

    plugin = "def hostkernel_hosts(): return []"
    assert found() == set()
    site.install("later", plugin)
    assert found() == {"later"}
    site.install("last", plugin)
    assert found() == {"later", "last"}
    shutil.rmtree(site.folder / "later_dist-1.2.dist-info")
    assert found() == {"last"}


def test_what_an_installer_is_still_at_is_looked_at_again(site):
    site.install("late", "def hostkernel_hosts(): return []")
    (info,) = site.folder.glob("late_dist*")
    listed = (info / "entry_points.txt").rename(site.folder / "kept")
    assert not [plugin for plugin in Plugins.load().loaded if plugin.name == "late"]
    (info / "entry_points.txt").write_text(listed.read_text())
    assert [plugin for plugin in Plugins.load().loaded if plugin.name == "late"]


def test_bundled_plugins_come_by_entry_point():
    bundled = {i.name: i.hosts for i in Plugins.load().loaded if i.distribution == "hostkernel"}
    assert bundled == {"python": ("python",), "qt": ("qt",), "blender": ("blender",)}


def test_a_local_plugin(tmp_path):
    file = tmp_path / "my host.py"
    file.write_text(MINE)
    before = list(sys.path)
    plugins = Plugins.load([file, file])
    assert plugins.problems == []
    assert plugins.host_class("mine").name == "mine"
    info = plugins.loaded[-1]
    assert (info.name, info.path, info.hosts) == (str(file), file, ("mine",))
    assert (info.distribution, info.version) == (None, None)
    assert sys.path == before
    assert "my host" not in sys.modules


def test_a_local_plugin_that_was_edited_is_read_again(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    Plugins.load([file])
    file.write_text(MINE.replace('"mine"', '"renamed"'))
    assert Plugins.load([file]).host_class("renamed")


def test_two_local_plugins_of_one_file_name(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.py").write_text(MINE.replace('"mine"', f'"{name}"'))
    plugins = Plugins.load([tmp_path / "one" / "plugin.py", tmp_path / "two" / "plugin.py"])
    assert {"one", "two"} <= set(plugins.hosts)


def test_a_missing_local_plugin(tmp_path, assert_rest_works):
    plugins = Plugins.load([tmp_path / "gone.py", tmp_path])
    missing, folder = plugins.problems
    assert missing.plugin == str(tmp_path / "gone.py")
    assert missing.reason.startswith("FileNotFoundError: ")
    assert folder.plugin == str(tmp_path)
    assert folder.reason.startswith("IsADirectoryError: ")
    assert_rest_works(plugins)


def test_a_failed_local_plugin_leaves_no_module(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    before = set(sys.modules)
    assert Plugins.load([tmp_path / "broken.py"]).problems
    assert set(sys.modules) == before


def test_a_disabled_plugin_is_not_even_imported(site):
    site.install("broken", "import no_such_module")
    plugins = Plugins.load(disable=["broken"])
    assert plugins.problems == []
    assert plugins.loaded[0].disabled
    assert "broken" not in sys.modules


def test_one_module_by_two_entry_points(site, assert_rest_works):
    site.install("alpha", "", entry="first = healthy\nsecond = healthy")
    plugins = Plugins.load()
    reasons = sorted(problem.reason for problem in plugins.problems)
    assert len(reasons) == 2
    assert all("is the same as plugin " in reason for reason in reasons)


def test_an_entry_point_that_names_an_object(site):
    source = """
        from hostkernel import Host, hookimpl

        class Plugin:
            def __init__(self, name):
                self.host = type("Made", (Host,), {"name": name})

            @hookimpl
            def hostkernel_hosts(self):
                return [self.host]

            @hookimpl(specname="hostkernel_extensions")
            def our_extensions(self, host):
                return [f"for_{host}"]

        plugin = Plugin("made")
    """
    site.install("made", source, entry="made = made:plugin")
    plugins = Plugins.load()
    assert plugins.problems == []
    assert "made" in plugins.hosts
    assert ("for_x",) in plugins.collect("hostkernel_extensions", host="x")


def test_an_entry_point_that_names_nothing(site, assert_rest_works):
    site.install("made", "", entry="made = made:plugin")
    plugins = Plugins.load()
    (problem,) = plugins.problems
    assert (problem.plugin, problem.distribution) == ("made", "made-dist")
    assert "has no attribute 'plugin'" in problem.reason
    assert_rest_works(plugins)


def test_a_distribution_without_metadata_still_loads(healthy):
    (healthy.folder / "healthy_dist-1.2.dist-info" / "METADATA").unlink()
    plugins = Plugins.load()
    assert "healthy" in plugins.hosts


def test_a_hook_of_a_later_version_may_be_marked_optional(site):
    source = """
        from hostkernel import hookimpl

        @hookimpl(optionalhook=True)
        def hostkernel_of_tomorrow(anything): ...
    """
    site.install("modern", source)
    assert Plugins.load().problems == []


class _Observer:
    def __init__(self):
        self.heard = []

    @hookimpl
    def hostkernel_started(self, kernel):
        self.heard.append(kernel)
        raise OSError("no disk")


def test_an_object_joins_the_plugins():
    plugins, observer, reported = Plugins.load(), _Observer(), []
    plugins.report = reported.append
    plugins.register("observer", observer)
    plugins.notify("hostkernel_started", kernel=KERNEL)
    assert observer.heard == [KERNEL]
    (problem,) = reported
    assert (problem.plugin, problem.hook) == ("observer", "hostkernel_started")


def test_an_object_with_a_wrong_hook_does_not_join():
    class Wrong:
        @hookimpl
        def hostkernel_start(self, kernel): ...

    plugins = Plugins.load()
    with pytest.raises(PluginError, match="plugin wrong, hostkernel_start: is no hook"):
        plugins.register("wrong", Wrong())
    assert "wrong" not in {info.name for info in plugins.loaded}
