"""The settings of a host, and where its files live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HostPaths", "HostSettings"]


class HostSettings(BaseModel):
    """The settings every host has, under ``[hosts.NAME]``; subclass it to add your own.

    Each field's docstring is its description everywhere: help, JSON Schema, sample file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = ()
    """Program and arguments that start the host instead of the one found, such as a studio's
    wrapper script; the adapter's own arguments follow."""

    env: dict[str, str] = {}
    """Environment variables set for the host."""


@dataclass(frozen=True)
class HostPaths:
    """Where a host's files live.

    Attributes:
        runtime: connection files. Jupyter clients find ``--existing NAME`` only in Jupyter's
            runtime directory.
        cache: files that can be built again.
        log: output of detached hosts.
    """

    runtime: Path
    cache: Path
    log: Path
