"""Run every check, in order."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import environment, hosts, jupyter, places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostkernel.host import Finding

__all__ = ["Checked", "examine"]


@dataclass(frozen=True)
class Checked:
    """The result of one check.

    Attributes:
        name: the check's name.
        subject: what the check looked at.
        findings: what is wrong; empty if nothing is.
    """

    name: str
    subject: str
    findings: tuple[Finding, ...] = ()

    @property
    def state(self) -> str:
        """``ok``, ``warning`` or ``error``: whether something would keep a host from starting."""
        if any(finding.prevents for finding in self.findings):
            return "error"
        return "warning" if self.findings else "ok"


def examine(host: str | None = None) -> Iterator[Checked]:
    """Run every check, one after the other.

    Args:
        host: the host to start; by default the one that the settings name. Other hosts are then
            examined too, but their findings count as warnings only.
    """
    yield _checked("python", f"{platform.python_version()}, {sys.executable}", ())
    yield _checked("packages", "hostkernel's and ipykernel's", environment.packages())
    yield _checked("event loop", environment.policy_name(), environment.event_loop())
    outside = hosts.read(host)
    yield _checked("settings", outside.where, outside.setting_findings())
    yield _checked("plugins", outside.plugin_names, outside.plugin_findings())
    for each in outside.examined():
        yield _checked(f"host {each.name}", each.subject, each.findings())
    connection, paths = outside.loaded.settings.connection, outside.paths
    yield _checked("ports", places.address(connection), places.ports(connection))
    yield _checked("runtime folder", str(paths.runtime), places.runtime(paths.runtime))
    yield _checked("other folders", f"{paths.log}, {paths.cache}", places.others(paths))
    yield _checked("kernels", "their connection files", places.kernels_and_files(paths.runtime))
    yield _checked("kernelspecs", "hostkernel's", jupyter.kernelspecs(outside.loaded.plugins.hosts))
    yield _checked("jupyter", jupyter.program() or "none on PATH", jupyter.on_path())


def _checked(name: str, subject: str, findings: Iterable[Finding]) -> Checked:
    return Checked(name, subject, tuple(findings))
