"""The base of all errors."""

from __future__ import annotations

__all__ = ["HostkernelError"]


class HostkernelError(Exception):
    """Base of every hostkernel error; catch it to catch them all."""
