"""A broken plugin is named in full and left out whole; everything else goes on working."""

from __future__ import annotations

import re

import pytest

from hostkernel.plugins import Plugins

BROKEN = {
    "import error": (
        "import no_such_module",
        None,
        "ModuleNotFoundError: No module named 'no_such_module' ({file}:5)",
    ),
    "syntax error": ("def (:", None, "SyntaxError: invalid syntax (broken.py, line 5)"),
    "exit at import": (
        "import sys\nsys.exit('no licence')",
        None,
        "SystemExit: no licence ({file}:6)",
    ),
    "unknown argument": (
        "@hookimpl\ndef hostkernel_loop(app): ...",
        "hostkernel_loop",
        "has the wrong arguments, (app); they may be host, without defaults",
    ),
    "argument of a hook without any": (
        "@hookimpl\ndef hostkernel_hosts(config): ...",
        "hostkernel_hosts",
        "has the wrong arguments, (config); they may be none, without defaults",
    ),
    "argument that would never be passed": (
        "@hookimpl\ndef hostkernel_stopped(kernel, reason='?'): ...",
        "hostkernel_stopped",
        (
            "has the wrong arguments, (kernel, reason='?'); they may be kernel, reason, "
            "without defaults"
        ),
    ),
    "keyword-only argument": (
        "@hookimpl\ndef hostkernel_started(*, kernel): ...",
        "hostkernel_started",
        "has the wrong arguments, (*, kernel); they may be kernel, without defaults",
    ),
    "misspelt": (
        "@hookimpl\ndef hostkernel_namespaces(host): ...",
        "hostkernel_namespaces",
        "is no hook; did you mean hostkernel_namespace?",
    ),
    "misspelt specname": (
        "@hookimpl(specname='hostkernel_host')\ndef anything(): ...",
        "hostkernel_host",
        "is no hook; did you mean hostkernel_hosts?",
    ),
    "unmarked": (
        "def hostkernel_started(kernel): ...",
        "hostkernel_started",
        "is named like a hook but not marked: put @hookimpl above it or rename it",
    ),
    "unmarked lambda": (
        "hostkernel_anything = lambda: 1",
        "hostkernel_anything",
        "is named like a hook but not marked: put @hookimpl above it or rename it",
    ),
    "old-style wrapper": (
        "@hookimpl(hookwrapper=True)\ndef hostkernel_started(kernel): yield",
        "hostkernel_started",
        "is a wrapper; plugins are called one by one, so use a plain one",
    ),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef hostkernel_started(kernel): return (yield)",
        "hostkernel_started",
        "is a wrapper; plugins are called one by one, so use a plain one",
    ),
    "async": (
        "@hookimpl\nasync def hostkernel_started(kernel): ...",
        "hostkernel_started",
        "is async; hooks are called, never awaited",
    ),
    "exception in hosts": (
        "@hookimpl\ndef hostkernel_hosts():\n    return 1 / 0",
        "hostkernel_hosts",
        "ZeroDivisionError: division by zero ({file}:7)",
    ),
    "exit in hosts": (
        "@hookimpl\ndef hostkernel_hosts():\n    raise SystemExit(3)",
        "hostkernel_hosts",
        "SystemExit: 3 ({file}:7)",
    ),
    "exception half-way through hosts": (
        "@hookimpl\ndef hostkernel_hosts():\n    yield MyHost\n    raise KeyError('next')",
        "hostkernel_hosts",
        "KeyError: 'next' ({file}:8)",
    ),
    "hosts returns nothing": (
        "@hookimpl\ndef hostkernel_hosts(): ...",
        "hostkernel_hosts",
        "returned None; it should return a list of Host classes",
    ),
    "hosts returns one class": (
        "@hookimpl\ndef hostkernel_hosts(): return MyHost",
        "hostkernel_hosts",
        "returned <class 'broken.MyHost'>; it should return a list of Host classes",
    ),
    "hosts returns an instance": (
        "@hookimpl\ndef hostkernel_hosts(): return [MyHost, 'my_host']",
        "hostkernel_hosts",
        "returned 'my_host'; it should return a list of Host classes",
    ),
    "host without a name": (
        "class Nameless(Host): ...\n@hookimpl\ndef hostkernel_hosts(): return [Nameless]",
        "hostkernel_hosts",
        "returned <class 'broken.Nameless'>; it should return Host classes that have a name",
    ),
    "host with a bad name": (
        "class Shouting(Host):\n    name = 'My-Host'",
        None,
        "TypeError: Shouting.name must be a lower-case identifier, not 'My-Host' ({file}:5)",
    ),
    "wrong settings model": (
        "MyHost.settings_model = dict\n@hookimpl\ndef hostkernel_hosts(): return [MyHost]",
        "hostkernel_hosts",
        (
            "returned <class 'broken.MyHost'>; it should return Host classes whose settings_model "
            "is a HostSettings class"
        ),
    ),
    "two hosts of one name": (
        (
            "class Other(Host):\n    name = 'mine'\n"
            "@hookimpl\ndef hostkernel_hosts(): return [MyHost, Other]"
        ),
        "hostkernel_hosts",
        "brings two hosts called 'mine'",
    ),
}
PRELUDE = """\
from hostkernel import Host, hookimpl
@hookimpl
def hostkernel_namespace(host): return {"broken": 1}
class MyHost(Host): name = "mine"
"""


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_installed_plugin_is_named_and_left_out(case, site, assert_rest_works):
    body, hook, reason = BROKEN[case]
    site.install("broken", PRELUDE + body)

    plugins = Plugins.load()

    (problem,) = plugins.problems
    assert problem.plugin == "broken"
    assert (problem.distribution, problem.version) == ("broken-dist", "1.2")
    assert problem.hook == hook
    assert problem.reason == reason.format(file=site.folder / "broken.py")
    assert str(problem).startswith("plugin broken (broken-dist 1.2)")
    (info,) = [info for info in plugins.loaded if info.name == "broken"]
    assert info.problem is problem
    assert info.hosts == ()
    assert "mine" not in plugins.hosts
    assert {"broken": 1} not in plugins.collect("hostkernel_namespace", host=None)
    assert_rest_works(plugins)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_local_plugin_is_named_and_left_out(case, tmp_path, assert_rest_works):
    body, hook, reason = BROKEN[case]
    file = tmp_path / "broken.py"
    file.write_text(PRELUDE + body)

    plugins = Plugins.load([file])

    (problem,) = plugins.problems
    assert (problem.plugin, problem.distribution, problem.hook) == (str(file), None, hook)
    said = re.sub("_hostkernel_broken_[0-9a-f]{8}", "broken", problem.reason)
    assert said == reason.format(file=file)
    assert str(problem).startswith(f"plugin {file}")
    assert_rest_works(plugins)
