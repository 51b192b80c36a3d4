"""The same, as the command line shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from .test_hosts import _host


@pytest.fixture
def hostkernel(site, tmp_path):
    """Run a command line that sees the plugins of ``site`` and nobody's settings."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    env = {**kept, "HOME": str(home), "PYTHONPATH": str(site.folder)}

    def run(*args: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hostkernel", *args]
        done = subprocess.run(
            command, env=env, cwd=home, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stderr
        return done

    run.home = home
    return run


def test_plugins_lists_the_good_and_the_broken(hostkernel, healthy):
    healthy.install("broken", "print('hello')\nimport no_such_module")
    done = hostkernel("plugins", "--json")
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert records["healthy"] == {
        "name": "healthy",
        "distribution": "healthy-dist",
        "version": "1.2",
        "path": None,
        "state": "loaded",
        "hosts": ["healthy"],
        "problem": None,
    }
    assert records["broken"]["state"] == "broken"
    assert "no_such_module" in records["broken"]["problem"]["reason"]
    assert records["python"]["hosts"] == ["python"]
    assert "plugin broken (broken-dist 1.2): ModuleNotFoundError" in done.stderr


def test_plugins_as_a_table(hostkernel, healthy):
    healthy.install("broken", "1 / 0")
    lines = hostkernel("plugins").stdout.splitlines()
    assert lines[0].split() == ["name", "distribution", "version", "state", "hosts"]
    assert ["broken", "broken-dist", "1.2", "broken", "-"] in [line.split() for line in lines]
    assert ["healthy", "healthy-dist", "1.2", "loaded", "healthy"] in [li.split() for li in lines]


def test_plugins_of_a_project_file(hostkernel, healthy):
    (hostkernel.home / "my_host.py").write_text("def (:")
    settings = '[plugins]\npaths = ["my_host.py"]\ndisable = ["healthy"]\n'
    (hostkernel.home / "hostkernel.toml").write_text(settings)
    records = {r["name"]: r for r in json.loads(hostkernel("plugins", "--json").stdout)}
    assert records["healthy"]["state"] == "disabled"
    mine = records[str(hostkernel.home / "my_host.py")]
    assert mine["path"] == mine["name"]
    assert "SyntaxError" in mine["problem"]["reason"]


def test_hosts_lists_what_works(hostkernel, site):
    site.install("alpha", _host("alpha", "True"))
    site.install("beta", _host("twin"))
    site.install("gamma", _host("twin"))
    site.install("delta", _host("delta").replace("MyHost(Host):", FAILING_FIND))
    done = hostkernel("hosts", "--json")
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert {"alpha", "delta", "python", "qt", "blender"} == records.keys()
    assert records["alpha"]["detected"] is True
    assert records["alpha"]["problem"] is None
    assert records["python"]["path"] == sys.executable
    assert records["python"]["detected"] is False
    assert "OSError: no disk" in records["delta"]["problem"]
    assert "MyHost.find" in records["delta"]["problem"]
    assert "beta (beta-dist 1.2)" in done.stderr
    assert "gamma (gamma-dist 1.2)" in done.stderr


FAILING_FIND = """MyHost(Host):
        def find(self):
            raise OSError("no disk")
"""


COPIES = """MyHost(Host):
        def find(self):
            from pathlib import Path
            from hostkernel import HostNotFoundError, Installation

            class Asked(Installation):
                def examined(self):
                    return Installation(self.path, "2.1", "3.11")

            {first}
            yield Asked(Path("/old"), "2", listed_only=True)
            {last}
"""


def test_hosts_lists_every_copy_with_all_that_can_be_found_out(hostkernel, site):
    found = COPIES.format(first='yield Asked(Path("/new"), "2")', last="")
    missing = COPIES.format(first="", last='raise HostNotFoundError("beta", "too old", "buy one")')
    site.install("alpha", _host("alpha").replace("MyHost(Host):", found))
    site.install("beta", _host("beta").replace("MyHost(Host):", missing))
    records = {r["name"]: r for r in json.loads(hostkernel("hosts", "--json").stdout)}
    new, old = ({"path": path, "version": "2.1", "python": "3.11"} for path in ("/new", "/old"))
    assert records["alpha"].items() >= {**new, "others": [old], "problem": None}.items()
    assert records["beta"].items() >= {**dict.fromkeys(new), "others": [old]}.items()
    assert "too old" in records["beta"]["problem"]
    assert "too old" in hostkernel("run", "--host", "beta", expect=3).stderr


def test_hosts_shows_the_command_of_the_settings(hostkernel):
    settings = '[hosts.python]\ncommand = ["/opt/studio/python", "-q"]\n'
    (hostkernel.home / "hostkernel.toml").write_text(settings)
    assert "/opt/studio/python -q" in hostkernel("hosts").stdout


def test_hosts_with_wrong_settings(hostkernel):
    (hostkernel.home / "hostkernel.toml").write_text('[hosts.python]\nmode = "sideways"\n')
    done = hostkernel("hosts", "--json", expect=2)
    assert done.stdout == ""
    assert "hostkernel.toml:2" in done.stderr
    assert "hosts.python.mode" in done.stderr


@pytest.mark.parametrize("name", ["broken", "twin"])
def test_run_names_the_broken_plugin(hostkernel, site, name):
    site.install("broken", "import no_such_module")
    site.install("beta", _host("twin"))
    site.install("gamma", _host("twin"))
    done = hostkernel("run", "--host", name, expect=3)
    reason = {"broken": "no_such_module", "twin": "host 'twin' is brought by"}[name]
    assert reason in done.stderr
