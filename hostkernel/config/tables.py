"""Gather the settings from every place where they are written, and validate them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.processes import current_environment

from .files import named_file, project_file, standard_file
from .models import PREFIX, RESERVED, PluginSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostkernel.errors import PluginError, Problem

    from .files import Place
    from .layer import Layer
    from .tree import Hosts

__all__ = ["Tables", "gather", "load_dump"]


@dataclass(frozen=True)
class Tables:
    """Settings as they were written, not validated yet.

    Relative paths and environment variables of ``[hosts.NAME]`` cannot be read without the
    types of that host's plugin, so the methods take the known hosts.

    Attributes:
        files: the layers of files, the weakest first.
        variables: the environment variables that are settings.
        options: the layers of the command line, the weakest first.
        cwd: what relative paths in variables and options are relative to.
        places: every place that was searched for a file.
        problems: what is wrong so far.

    """

    cwd: Path
    files: Sequence[Layer] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[Layer] = ()
    places: Sequence[Place] = ()
    problems: Sequence[Problem] = ()

    def plugin_settings(self) -> PluginSettings:
        """``[plugins]`` alone, to load local plugins before hosts are known.

        If the table is wrong, return the defaults; :meth:`validate` says why.
        """
        if self._is_empty:
            return PluginSettings()
        from pydantic import ValidationError

        from .check import merge_tables

        merged, _ = merge_tables(self, {})
        try:
            return PluginSettings.model_validate(merged.table.get("plugins", {}))
        except ValidationError:
            return PluginSettings()

    def validate(self, hosts: Hosts, broken: Sequence[PluginError] = ()) -> Settings:
        """The settings, with ``[hosts.NAME]`` typed by each of ``hosts``.

        Args:
            hosts: the adapters there are.
            broken: the plugins that could not be loaded. They may provide an unknown host, so it
                is then not a problem here: looking the host up blames the plugin.

        Raises:
            ConfigError: holds every problem of every place.

        """
        if self._is_empty and not self.problems:
            return Settings()
        from .check import check

        return check(self, hosts, broken)

    def origins(self, hosts: Hosts) -> Mapping[str, str]:
        """Where each setting's value comes from, by dotted key.

        That is ``FILE:LINE``, ``--set``, ``--host``, a variable's name, or ``default``.
        """
        from .check import merge_tables
        from .tree import dotted, settings_tree

        merged, _ = merge_tables(self, hosts)
        origins = {}
        for setting in settings_tree(hosts).settings():
            owner = merged.owners.get(setting.key)
            origins[dotted(setting.key)] = owner.origin(setting.key) if owner else "default"
        return origins

    def dump(self, hosts: Hosts, host: str) -> str:
        """Called outside: what the inside of ``host`` needs, as TOML for :func:`load_dump`.

        The merged tables before validation, with absolute paths and ``host`` as the host to
        use. The tables of other hosts are left out: their plugins may be missing inside.
        """
        import tomli_w

        from .check import merge_tables

        merged, _ = merge_tables(self, hosts)
        tables = merged.table.get("hosts", {})
        chosen = {"hosts": {host: tables[host]} if host in tables else {}, "host": host}
        return tomli_w.dumps({**merged.table, **chosen})

    @property
    def _is_empty(self) -> bool:
        """Whether no setting is given: the usual case, which must not import what others need."""
        return not (self.files or self.variables or self.options)


def gather(
    overrides: Sequence[str] = (),
    *,
    host: str | None = None,
    config: Path | None = None,
    search_project: bool = True,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Tables:
    """Read the settings of every place, without validating them yet.

    Args:
        overrides: ``KEY=VALUE`` each, as ``--set`` has them; later ones win.
        host: what ``--host`` says, the strongest.
        config: what ``--config`` says: this file in place of a project file.
        search_project: whether to look for a project file if no file is named.
        environ: the environment, by default this process's.
        cwd: where to look for a project file, and the base of relative paths in variables and
            options; by default the working directory.

    """
    environ = current_environment() if environ is None else environ
    cwd = cwd or Path.cwd()
    places = [standard_file("site"), standard_file("user")]
    named = config or environ.get("HOSTKERNEL_CONFIG")
    if named:
        places.append(named_file(cwd / Path(named).expanduser()))
    elif search_project:
        places.append(project_file(cwd))
    options, problems = _options(overrides, host, cwd)
    return Tables(
        cwd=cwd,
        files=[place.layer for place in places if place.layer],
        variables=_variables(environ),
        options=options,
        places=places,
        problems=[place.problem for place in places if place.problem] + [*problems],
    )


def load_dump(text: str, source: str) -> Tables:
    """Called inside: read the result of :meth:`Tables.dump`; ``source`` names it in errors.

    Raises:
        ConfigError: ``text`` is not TOML.
    """
    from .files import parse

    layer = parse(text, source, None)
    return Tables(cwd=Path.cwd(), files=[layer] if layer else [])


def _options(
    overrides: Sequence[str], host: str | None, cwd: Path
) -> tuple[Sequence[Layer], Sequence[Problem]]:
    if not overrides and host is None:
        return (), ()
    from .options import option_layers

    return option_layers(overrides, host, cwd)


def _variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    ours = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    return {name: value for name, value in ours.items() if name not in RESERVED}
