"""Values for shell completion."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - Typer evaluates annotations

__all__ = ["complete_host", "complete_kernel"]


def complete_kernel(incomplete: str) -> Iterator[tuple[str, str]]:
    """The ids and hosts of the kernels that run here."""
    from hostkernel.registry import kernels

    for kernel in kernels().kernels:
        if kernel.state == "running" and kernel.id.startswith(incomplete):
            title = f" ({kernel.facts.title})" if kernel.facts.title else ""
            yield kernel.id, f"{kernel.facts.host}, pid {kernel.facts.pid}{title}"


def complete_host(incomplete: str) -> Iterator[tuple[str, str]]:
    """The hosts that the installed plugins bring."""
    from hostkernel.plugins import Plugins

    for name, host in sorted(Plugins.load(report=lambda _: None).hosts.items()):
        if name.startswith(incomplete):
            yield name, host.summary
