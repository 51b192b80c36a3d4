"""Outside: choose the kernel for a client that names a kernelspec."""

from __future__ import annotations

from typing import Literal

from hostkernel.registry import RunningKernel, kernels, select

__all__ = ["Attach", "open_kernel"]

Attach = Literal["always", "if-open", "never"]
"""Whether to attach to an open kernel: require one, else start its host, or always start one."""


def open_kernel(attach: Attach, host: str | None, wanted: str | None) -> RunningKernel | None:
    """The kernel to attach to, or None to start a host.

    Args:
        attach: see :data:`Attach`.
        host: consider kernels of this host only.
        wanted: names the kernel, as in :func:`hostkernel.registry.find`.

    Raises:
        SelectionError: no kernel fits, or several do.
    """
    if attach == "never":
        return None
    listing = kernels()
    among = [each for each in listing.kernels if host in {None, each.facts.host}]
    running = [each for each in among if each.state == "running"]
    if not running and wanted is None and attach == "if-open":
        return None
    return select(wanted, among, listing.notes)
