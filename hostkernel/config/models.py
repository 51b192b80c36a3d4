"""The settings, as frozen data.

A field's docstring is its only description: JSON Schema, the sample file and the tables in the
documentation are generated from it.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
)

from hostkernel.errors import ConfigError, Problem
from hostkernel.host import Host, HostSettings

__all__ = [
    "ATTACH",
    "PREFIX",
    "RESERVED",
    "ConnectionSettings",
    "EndPolicy",
    "KernelSettings",
    "PluginSettings",
    "Settings",
]

PREFIX = "HOSTKERNEL_"
"""What the environment variables that are settings begin with."""

ATTACH = "HOSTKERNEL_ATTACH"
"""The variable that names the kernel which a Jupyter server shall attach to."""

RESERVED = frozenset({ATTACH, "HOSTKERNEL_BOOTSTRAP", "HOSTKERNEL_CONFIG"})
"""The variables that begin so and are no settings."""

EndPolicy = Literal["detach", "stop", "restart", "exit-host"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KernelSettings(_Table):
    """The kernel inside the host."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "warning"
    """How much the kernel says in its own log, the logger `hostkernel`."""

    on_shutdown: EndPolicy = "detach"
    """What a client's shutdown request does: reply and go on, stop the kernel, restart it
    in place, or end the host by its own orderly quit."""

    on_exit: EndPolicy = "detach"
    """The same, for `exit()` and `quit()` in a cell."""

    stdin: Literal["allow", "refuse"] = "allow"
    """What `input()` and `getpass()` in a cell do: ask the client, while the host stands still,
    or raise an error, for hosts that must never wait for a person."""

    echo: bool = False
    """Show what cells print, their results and their errors in the host's own console too."""

    capture_native: bool = False
    """Send a cell's client also what is written below Python while the cell runs, by C code and
    child processes; the host's console gets it all the same. Not on Windows."""

    time_budget: float = Field(default=0.05, gt=0, le=10, allow_inf_nan=False)
    """Seconds that one slice of the kernel may take from the host's loop before the host
    gets its turn. A single cell is never cut short by it."""

    start_timeout: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """Seconds that `hostkernel run` waits for the host to bring up its kernel."""

    @field_validator("capture_native")
    @classmethod
    def _is_possible(cls, value: bool) -> bool:
        if value and sys.platform == "win32":
            message = "output written below Python cannot be captured on Windows"
            raise ValueError(message)
        return value


class ConnectionSettings(_Table):
    """How clients reach the kernel."""

    allow_remote: bool = False
    """Allow an address that other machines can reach. Encryption is then required."""

    encryption: Literal["off", "auto", "required"] = "off"
    """CurveZMQ encryption: never, with the keys that the launching Jupyter wrote into the
    connection file, or always, with keys of our own. A file with keys is refused where it is
    `off`, one without where it is `required`."""

    ip: str = "127.0.0.1"
    """Address to listen on, IPv4 or IPv6."""

    transport: Literal["tcp", "ipc"] = "tcp"
    """`ipc` uses sockets in a private folder in place of ports: nobody else on the machine can
    reach them. Not on Windows."""

    @field_validator("ip")
    @classmethod
    def _is_address(cls, value: str, info: ValidationInfo) -> str:
        address = ip_address(value)
        if address.is_loopback:
            return str(address)
        # What is missing here was wrong itself, and has its own error.
        missing = not info.data.get("allow_remote", True) and "allow_remote = true"
        plain = info.data.get("encryption", "required") != "required" and 'encryption = "required"'
        if needed := " and ".join(part for part in (missing, plain) if part):
            message = f"{address} can be reached from other machines: set {needed}"
            raise ValueError(message)
        return str(address)


class PluginSettings(_Table):
    """Which plugins are loaded."""

    paths: tuple[Path, ...] = ()
    """Python files to load as plugins without packaging them."""

    disable: tuple[str, ...] = ()
    """Names of installed plugins to leave out, as `hostkernel plugins` shows them."""


class Settings(_Table):
    """All of `hostkernel.toml`."""

    host: str | None = None
    """The host to use when none is named on the command line. Inside an application the host
    is detected."""

    kernel: KernelSettings = KernelSettings()
    connection: ConnectionSettings = ConnectionSettings()
    plugins: PluginSettings = PluginSettings()

    hosts: dict[str, SerializeAsAny[HostSettings]] = {}
    """One table for each host, typed by its adapter; :meth:`for_host` knows defaults too."""

    def for_host(self, host: type[Host]) -> HostSettings:
        """The settings of ``host``, its defaults if it has no table.

        Raises:
            ConfigError: there is no table, and its model has a field without a default.

        """
        if host.name in self.hosts:
            return self.hosts[host.name]
        fields = host.settings_model.model_fields.items()
        if required := [name for name, field in fields if field.is_required()]:
            message = f"this table is needed: there is no default for {', '.join(required)}"
            raise ConfigError([Problem("settings", message, key=f"hosts.{host.name}")])
        return host.settings_model()
