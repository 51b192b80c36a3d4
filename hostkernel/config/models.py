"""The settings, as frozen data. A field's docstring is its only description: help, JSON
Schema, the sample file and the README table are generated from it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hostkernel.host import HostSettings

__all__ = [
    "ConnectionSettings",
    "EndPolicy",
    "KernelSettings",
    "PluginSettings",
    "Settings",
]

EndPolicy = Literal["detach", "stop", "restart", "exit-host"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class KernelSettings(_Table):
    """The kernel inside the host."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "warning"
    """How much the kernel says in its own log, the logger `hostkernel`."""

    on_shutdown: EndPolicy = "detach"
    """What a client's shutdown request does: reply and go on, stop the kernel, restart it
    in place, or end the host by its own orderly quit."""

    on_exit: EndPolicy = "detach"
    """The same, for `exit()` and `quit()` in a cell."""

    time_budget: float = Field(default=0.05, gt=0, le=10)
    """Seconds that one slice of the kernel may take from the host's loop before the host
    gets its turn. A single cell is never cut short by it."""

    start_timeout: float = Field(default=120.0, gt=0)
    """Seconds that `hostkernel run` waits for the host to bring up its kernel."""


class ConnectionSettings(_Table):
    """How clients reach the kernel."""

    ip: str = "127.0.0.1"
    """Address to listen on, IPv4 or IPv6."""

    allow_remote: bool = False
    """Allow an address that other machines can reach. Encryption is then required."""

    encryption: Literal["off", "auto", "required"] = "off"
    """CurveZMQ encryption: never, when the connection file that the launching Jupyter wrote
    has keys, or always, with keys of our own."""

    @field_validator("ip")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ip_address(value))

    @model_validator(mode="after")
    def _remote_is_deliberate(self) -> Self:
        if ip_address(self.ip).is_loopback:
            return self
        if not self.allow_remote:
            message = f"{self.ip} can be reached from other machines: set allow_remote = true"
            raise ValueError(message)
        if self.encryption != "required":
            message = f'{self.ip} can be reached from other machines: set encryption = "required"'
            raise ValueError(message)
        return self


class PluginSettings(_Table):
    """Which plugins are loaded."""

    paths: tuple[Path, ...] = ()
    """Python files to load as plugins without packaging them."""

    disable: tuple[str, ...] = ()
    """Names of installed plugins to leave out, as `hostkernel plugins` shows them."""


class Settings(BaseSettings):
    """All of `hostkernel.toml`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix="HOSTKERNEL_"
    )

    host: str | None = None
    """The host to use when none is named on the command line. Inside an application the host
    is detected."""

    kernel: KernelSettings = KernelSettings()
    connection: ConnectionSettings = ConnectionSettings()
    plugins: PluginSettings = PluginSettings()

    hosts: dict[str, SerializeAsAny[HostSettings]] = {}
    """One table for each host, typed by its adapter."""
