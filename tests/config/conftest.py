"""A machine of its own for each test, and an adapter with every kind of setting."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Literal

import pytest
from hypothesis import HealthCheck, settings
from pydantic import BaseModel, ConfigDict, Field, field_validator

from hostkernel import Host, HostSettings
from hostkernel.config import Tables, gather
from hostkernel.errors import ConfigError, Problem

# Hypothesis fails an example that lasts 200 ms, and takes a slow machine for a bad strategy.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

Write = Callable[[str, str], Path]


class Window(BaseModel):
    """How the window looks."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(default=800, ge=1)
    """Pixels."""

    icon: Path | None = None
    """A picture."""


class StudioSettings(HostSettings):
    """A studio's host."""

    mode: Literal["fast", "safe"] = "fast"
    """How to go about it."""

    scenes: tuple[Path, ...] = ()
    """Files to open."""

    libraries: dict[str, Path] = {}
    """Libraries by name."""

    pair: tuple[str, Path] | None = None
    """A name and a file."""

    program: Path | Literal["builtin"] | None = None
    """The program, or `builtin`."""

    either: int | bool | None = None
    """One or the other."""

    label: str = "x"
    """Any text."""

    window: Window = Window()
    panel: Window | None = None

    @field_validator("label")
    @classmethod
    def _no_shouting(cls, value: str) -> str:
        if value == "crash":
            raise ZeroDivisionError(value)
        if value.isupper():
            message = "do not shout"
            raise ValueError(message)
        return value


class Studio(Host):
    name = "studio"
    summary = "A studio"
    settings_model = StudioSettings


class PickySettings(HostSettings):
    needed: str
    """Something that only the user knows."""


class Picky(Host):
    name = "picky"
    settings_model = PickySettings


@pytest.fixture
def hosts() -> dict[str, type[Host]]:
    return {"studio": Studio, "picky": Picky}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with ``home``, ``home/project`` as the working directory, ``user``, ``site``."""
    for name in [name for name in os.environ if name.startswith("HOSTKERNEL_")]:
        monkeypatch.delenv(name)
    for name in ("home/project", "user", "site"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path / "home/project")
    return tmp_path


@pytest.fixture
def project(machine: Path) -> Path:
    return machine / "home/project"


@pytest.fixture
def write(machine: Path) -> Write:
    """Write a file below the machine's directory, its text dedented."""

    def write(name: str, text: str) -> Path:
        file = machine / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        file.chmod(0o644)
        return file

    return write


@pytest.fixture
def problems(hosts: dict[str, type[Host]]) -> Callable[..., list[Problem]]:
    """The problems of a load that must fail."""

    def problems(tables: Tables | None = None) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            (tables or gather()).merge(hosts).validate()
        return list(caught.value.problems)

    return problems
