"""Which host a name means, and which host this process is."""

from __future__ import annotations

import pytest

from hostkernel.errors import AmbiguousHostError, PluginError, UnknownHostError
from hostkernel.plugins import Plugins

HOST = """
    import sys
    from hostkernel import Host, hookimpl

    class MyHost(Host):
        name = "{name}"

        @classmethod
        def detect(cls):
            return {detect}

    @hookimpl
    def hostkernel_hosts():
        return [MyHost]
"""


def _host(name: str, detect: str = "False") -> str:
    return HOST.format(name=name, detect=detect)


def test_a_host_by_name(healthy):
    host = Plugins.load().host_class("healthy")
    assert (host.name, host.__module__) == ("healthy", "healthy")


def test_an_unknown_host_with_the_nearest(healthy):
    with pytest.raises(UnknownHostError) as caught:
        Plugins.load().host_class("helthy")
    assert caught.value.nearest == "healthy"
    assert {"python", "healthy"} <= set(caught.value.known)
    assert "there is no host 'helthy'. Did you mean healthy? Known: " in str(caught.value)


def test_an_unknown_host_that_a_broken_plugin_may_bring(site):
    site.install("broken", "import no_such_module")
    with pytest.raises(UnknownHostError, match=r"left out: plugin broken .*no_such_module"):
        Plugins.load().host_class("something_else")


def test_the_host_of_a_broken_plugin(site, tmp_path):
    site.install("broken", "import no_such_module")
    (tmp_path / "my_host.py").write_text("def (:")
    plugins = Plugins.load([tmp_path / "my_host.py"])
    with pytest.raises(PluginError, match=r"plugin broken .*no_such_module"):
        plugins.host_class("broken")
    with pytest.raises(PluginError, match=r"my_host\.py: SyntaxError"):
        plugins.host_class("my_host")


def test_a_name_claimed_twice_belongs_to_neither(site, assert_rest_works):
    site.install(
        "alpha",
        _host("twin").replace("[MyHost]", "[MyHost, Other]")
        + """
    class Other(Host):
        name = "other"
    """,
    )
    site.install("beta", _host("twin"), version="3")
    plugins = Plugins.load()

    (problem,) = plugins.problems
    assert "alpha (alpha-dist 1.2)" in str(problem)
    assert "beta (beta-dist 3)" in str(problem)
    assert "host 'twin' is brought by" in str(problem)
    with pytest.raises(PluginError) as caught:
        plugins.host_class("twin")
    assert caught.value is problem
    blamed = {info.name: info for info in plugins.loaded if info.problem is problem}
    assert blamed.keys() == {"alpha", "beta"}
    assert blamed["alpha"].hosts == ("other",)
    assert "twin" not in plugins.hosts
    assert_rest_works(plugins)


@pytest.mark.parametrize("disable", ["beta", "beta-dist"])
def test_disabling_one_of_two_settles_it(site, disable):
    site.install("alpha", _host("twin"))
    site.install("beta", _host("twin"))
    plugins = Plugins.load(disable=[disable])
    assert plugins.problems == []
    assert plugins.host_class("twin").__module__ == "alpha"
    assert [info.name for info in plugins.loaded if info.disabled] == ["beta"]


def test_a_bundled_name_claimed_again(site):
    site.install("alpha", _host("python"))
    plugins = Plugins.load()
    with pytest.raises(PluginError, match="alpha-dist") as caught:
        plugins.host_class("python")
    assert "hostkernel" in str(caught.value)


def test_nothing_detected_is_plain_python(healthy):
    assert Plugins.load().detect().name == "python"


def test_nothing_detected_and_no_fallback(healthy):
    with pytest.raises(UnknownHostError, match=r"no host fits this process. Known: "):
        Plugins.load(disable=["hostkernel"]).detect()


def test_a_detected_host_beats_the_fallback(site):
    site.install("alpha", _host("alpha", "True"))
    assert Plugins.load().detect().name == "alpha"


def test_two_unrelated_hosts(site):
    site.install("beta", _host("beta", "True"))
    site.install("alpha", _host("alpha", "True"))
    with pytest.raises(
        AmbiguousHostError, match="this process looks like alpha and beta"
    ) as caught:
        Plugins.load().detect()
    assert caught.value.names == ["alpha", "beta"]


SUBCLASS = """
    import alpha
    from hostkernel import hookimpl

    class Special(alpha.MyHost):
        name = "special"
        {body}

    @hookimpl
    def hostkernel_hosts():
        return [Special]
"""


def test_a_detected_subclass_beats_its_base(site):
    site.install("alpha", _host("alpha", "True"))
    site.install("special", SUBCLASS.format(body="detect = classmethod(lambda cls: True)"))
    plugins = Plugins.load()
    assert plugins.detect().name == "special"
    assert [host.name for host in plugins.detected()] == ["special"]


def test_an_undetected_subclass_leaves_it_to_its_base(site):
    site.install("alpha", _host("alpha", "True"))
    site.install("special", SUBCLASS.format(body="detect = classmethod(lambda cls: False)"))
    assert Plugins.load().detect().name == "alpha"


def test_a_subclass_that_says_nothing_is_not_asked(site):
    site.install("alpha", _host("alpha", "True"))
    site.install("special", SUBCLASS.format(body=""))
    assert Plugins.load().detect().name == "alpha"


def test_a_subclass_of_the_fallback_is_no_fallback(site):
    source = """
        from hostkernel import hookimpl
        from hostkernel_python import PythonHost

        class Special(PythonHost):
            name = "special"

        @hookimpl
        def hostkernel_hosts():
            return [Special]
    """
    site.install("special", source)
    assert Plugins.load().detect().name == "python"


@pytest.mark.parametrize("error", ["1 / 0", "sys.exit(4)"])
def test_a_detect_that_raises_is_blamed_and_the_others_go_on(site, error):
    site.install("alpha", _host("alpha", error))
    site.install("beta", _host("beta", "True"))
    plugins = Plugins.load()
    reported = []
    plugins.report = reported.append
    assert plugins.detect().name == "beta"
    (problem,) = reported
    assert plugins.problems == [problem]
    assert (problem.plugin, problem.distribution) == ("alpha", "alpha-dist")
    assert problem.hook == "MyHost.detect"
