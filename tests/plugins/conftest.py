"""Real distributions: a folder with a module and its dist-info, on ``sys.path``."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostkernel.plugins import Plugins

HEALTHY = """
    from hostkernel import Host, HostLoop, HostPaths, hookimpl
    from pathlib import Path

    class HealthyHost(Host):
        name = "healthy"

    class HealthyLoop(HostLoop):
        pass

    heard = []

    @hookimpl
    def hostkernel_hosts():
        return [HealthyHost]

    @hookimpl
    def hostkernel_paths(host):
        return HostPaths(Path("r"), Path("c"), Path("l"))

    @hookimpl
    def hostkernel_loop(host):
        return HealthyLoop()

    @hookimpl
    def hostkernel_namespace(host):
        return {"healthy": host}

    @hookimpl
    def hostkernel_extensions(host):
        return ["healthy_extension"]

    @hookimpl
    def hostkernel_started(kernel):
        heard.append(("started", kernel))

    @hookimpl
    def hostkernel_stopped(kernel, reason):
        heard.append(("stopped", kernel, reason))

    @hookimpl
    def hostkernel_pre_run_cell(cell):
        heard.append(("pre_run_cell", cell))

    @hookimpl
    def hostkernel_post_run_cell(result, cell):
        heard.append(("post_run_cell", cell, result))

    @hookimpl
    def hostkernel_pre_comm_message(message):
        heard.append(("pre_comm_message", message))

    @hookimpl
    def hostkernel_post_comm_message(message):
        heard.append(("post_comm_message", message))
"""


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, *, version: str = "1.2", entry: str = "") -> None:
        """Install module ``name`` as the plugin ``name`` of the distribution ``name-dist``."""
        info = self.folder / f"{name}_dist-{version}.dist-info"
        info.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[hostkernel]\n{entry or f'{name} = {name}'}\n")
        (info / "RECORD").write_text(f"{name}.py,,\n")
        (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()

    def forget_modules(self) -> None:
        """Take the modules of this folder out of this process."""
        for name, module in list(sys.modules.items()):
            if self.folder in Path(getattr(module, "__file__", None) or ".").parents:
                del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site of this process, in front of the real one."""
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    monkeypatch.syspath_prepend(site.folder)
    yield site
    site.forget_modules()


@pytest.fixture
def healthy(site: Site) -> Site:
    """A site with one plugin that uses every hook and is fine."""
    site.install("healthy", HEALTHY)
    return site


# As much of a kernel as hooks may ask of one that runs in nobody's host.
KERNEL = SimpleNamespace(host=None)


@pytest.fixture
def assert_rest_works(healthy: Site) -> Callable[[Plugins], None]:
    """Check that the bundled hosts and the healthy plugin are whole."""

    def check(plugins: Plugins) -> None:
        assert {"healthy", "python", "blender", "qt"} <= set(plugins.hosts)
        host = object()
        assert {"healthy": host} in plugins.collect("hostkernel_namespace", host=host)
        plugins.notify("hostkernel_started", kernel=KERNEL)
        assert sys.modules["healthy"].heard[-1] == ("started", KERNEL)

    return check
