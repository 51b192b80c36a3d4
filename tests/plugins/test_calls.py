"""The call verbs go plugin by plugin: a failure has a name and stops nobody else."""

from __future__ import annotations

import inspect
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from plugins.conftest import KERNEL

from hostkernel import hookspecs
from hostkernel.host import Host, HostLoop, HostPaths, HostSettings
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from hostkernel.errors import PluginError

HOOKS = {
    name: tuple(inspect.signature(spec).parameters)
    for name, spec in vars(hookspecs).items()
    if name.startswith("hostkernel_")
}
FIRST = {"hostkernel_paths": HostPaths, "hostkernel_loop": HostLoop}
COLLECT = {
    "hostkernel_namespace": lambda host: {"healthy": host},
    "hostkernel_extensions": lambda host: ("healthy_extension",),
}
NOTIFY = sorted(HOOKS.keys() - FIRST.keys() - COLLECT.keys() - {"hostkernel_hosts"})
RAISING = """
    from hostkernel import hookimpl

    @hookimpl(tryfirst=True)
    def {hook}({arguments}):
        raise {error}
"""


def _install_raising(site, hook: str, error: str) -> None:
    site.install(
        "raising", RAISING.format(hook=hook, arguments=", ".join(HOOKS[hook]), error=error)
    )


def _load() -> tuple[Plugins, list[PluginError]]:
    plugins, reported = Plugins.load(disable=["hostkernel"]), []
    assert plugins.problems == []
    plugins.report = reported.append
    return plugins, reported


def _assert_blamed(reported: list[PluginError], hook: str, reason: str) -> PluginError:
    (problem,) = reported
    assert (problem.plugin, problem.distribution, problem.version, problem.hook) == (
        "raising",
        "raising-dist",
        "1.2",
        hook,
    )
    assert reason in problem.reason
    return problem


@pytest.mark.parametrize("error", ["ValueError('bad')", "SystemExit('bad')"])
@pytest.mark.parametrize("hook", COLLECT)
def test_collect_leaves_out_what_raises(hook, error, healthy):
    _install_raising(healthy, hook, error)
    plugins, reported = _load()
    assert plugins.collect(hook, host="H") == [COLLECT[hook]("H")]
    problem = _assert_blamed(reported, hook, f"bad ({healthy.folder / 'raising.py'}:6)")
    assert isinstance(problem.__cause__, (ValueError, SystemExit))


@pytest.mark.parametrize("error", ["ValueError('bad')", "SystemExit('bad')"])
@pytest.mark.parametrize("hook", FIRST)
def test_first_goes_on_to_the_next(hook, error, healthy):
    _install_raising(healthy, hook, error)
    plugins, reported = _load()
    assert isinstance(plugins.first(hook, host=None), FIRST[hook])
    _assert_blamed(reported, hook, f"bad ({healthy.folder / 'raising.py'}:6)")


@pytest.mark.parametrize("error", ["ValueError('bad')", "SystemExit('bad')"])
@pytest.mark.parametrize("hook", NOTIFY)
def test_notify_tells_the_others(hook, error, healthy):
    _install_raising(healthy, hook, error)
    plugins, reported = _load()
    plugins.notify(hook, **dict.fromkeys(HOOKS[hook], "x"))
    assert sys.modules["healthy"].heard[-1][0] == hook.removeprefix("hostkernel_")
    _assert_blamed(reported, hook, f"bad ({healthy.folder / 'raising.py'}:6)")


@pytest.mark.parametrize("hook", [*COLLECT, *FIRST, *NOTIFY])
def test_the_users_ctrl_c_is_not_the_plugins(hook, healthy):
    _install_raising(healthy, hook, "KeyboardInterrupt")
    plugins, reported = _load()
    with pytest.raises(KeyboardInterrupt):
        plugins.collect(hook, **dict.fromkeys(HOOKS[hook], "x"))
    assert reported == []


@pytest.mark.parametrize(
    ("hook", "result", "reason"),
    [
        ("hostkernel_paths", "'/tmp'", "returned '/tmp'; it should return a HostPaths or None"),
        (
            "hostkernel_paths",
            "HostPaths('r', Path(), Path())",
            "it should return a HostPaths whose runtime is a pathlib.Path",
        ),
        ("hostkernel_loop", "HostLoop", "it should return a HostLoop or None"),
        ("hostkernel_namespace", "None", "it should return a mapping of names to values"),
        ("hostkernel_namespace", "{1: 2}", "returned {1: 2}; it should return a mapping"),
        ("hostkernel_extensions", "'autoreload'", "should return a list of module names"),
        ("hostkernel_extensions", "[b'autoreload']", "should return a list of module names"),
        ("hostkernel_extensions", "4", "returned 4; it should return a list of module names"),
        ("hostkernel_started", "True", "returned True; it should return nothing"),
        ("hostkernel_stopped", "(yield)", "it should return nothing"),
        ("hostkernel_pre_run_cell", "cell", "returned 'x'; it should return nothing"),
        ("hostkernel_post_run_cell", "[]", "returned []; it should return nothing"),
    ],
)
def test_a_wrong_result_is_blamed(hook, result, reason, healthy):
    source = f"""
        from pathlib import Path
        from hostkernel import HostLoop, HostPaths, hookimpl

        @hookimpl(tryfirst=True)
        def {hook}({", ".join(HOOKS[hook])}):
            return {result}
    """
    healthy.install("raising", source)
    plugins, reported = _load()
    results = plugins.collect(hook, **dict.fromkeys(HOOKS[hook], "x"))
    assert len(results) == 1
    _assert_blamed(reported, hook, reason)


def test_an_iterable_that_fails_half_way_is_blamed(healthy):
    source = """
        from hostkernel import hookimpl

        @hookimpl
        def hostkernel_extensions():
            yield "one"
            raise OSError("no disk")
    """
    healthy.install("raising", source)
    plugins, reported = _load()
    assert plugins.collect("hostkernel_extensions", host=None) == [("healthy_extension",)]
    _assert_blamed(reported, "hostkernel_extensions", "OSError: no disk")


def test_first_calls_nobody_after_an_answer(healthy):
    source = RAISING.format(hook="hostkernel_loop", arguments="host", error="ValueError")
    healthy.install("raising", source.replace("tryfirst", "trylast"))
    plugins, reported = _load()
    assert isinstance(plugins.first("hostkernel_loop", host=None), HostLoop)
    assert reported == []


def test_none_leaves_it_to_the_next(healthy):
    source = """
        from hostkernel import hookimpl

        @hookimpl(tryfirst=True)
        def hostkernel_paths(): return None
    """
    healthy.install("shy", source)
    plugins, reported = _load()
    assert isinstance(plugins.first("hostkernel_paths", host=None), HostPaths)
    assert reported == []


def test_nobody_answers(site):
    plugins, _ = _load()
    assert plugins.first("hostkernel_paths", host=None) is None
    assert plugins.collect("hostkernel_extensions", host=None) == []


def test_folders_are_a_plugins_or_the_adapters_own(healthy):
    host = Host(HostSettings())
    assert Plugins.load().paths(host) == HostPaths(*map(Path, "rcl"))
    assert Plugins.load(disable=["healthy"]).paths(host) == host.paths()


def test_local_plugins_answer_before_installed_ones(healthy, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from hostkernel import hookimpl\n"
        "@hookimpl\ndef hostkernel_extensions(host): return [host, 'mine']\n"
    )
    plugins = Plugins.load([file])
    expected = [("h", "mine"), ("healthy_extension",)]
    # Bundled plugins have none for a host that is not theirs.
    assert [*filter(None, plugins.collect("hostkernel_extensions", host="h"))] == expected


def test_a_raising_observer_is_logged_once(healthy, caplog):
    _install_raising(healthy, "hostkernel_post_run_cell", "ValueError('bad')")
    plugins = Plugins.load()
    with caplog.at_level(logging.DEBUG, "hostkernel.plugins"):
        for _ in range(1000):
            plugins.notify("hostkernel_post_run_cell", kernel=KERNEL, cell="c", result=2)
        plugins.notify("hostkernel_pre_run_cell", kernel=KERNEL, cell="c")
    said, origin = caplog.records
    assert (said.name, said.levelname) == ("hostkernel.plugins", "ERROR")
    assert "plugin raising (raising-dist 1.2), hostkernel_post_run_cell: " in said.getMessage()
    assert said.exc_info is None
    assert origin.levelname == "DEBUG"
    assert isinstance(origin.exc_info[1], ValueError)
    assert len(sys.modules["healthy"].heard) == 1001


def test_what_goes_wrong_at_load_is_reported_at_once(healthy, caplog):
    healthy.install("broken", "1 / 0")
    reported = []
    assert Plugins.load(report=reported.append).problems == reported
    assert len(reported) == 1
    assert caplog.records == []
    Plugins.load()
    assert [record.getMessage() for record in caplog.records] == [str(reported[0])]
