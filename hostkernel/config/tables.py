"""Gather the settings from every place where they are written, and validate them together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.processes import current_environment

from .files import named_file, project_file, standard_file
from .models import PREFIX, RESERVED, PluginSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostkernel.errors import PluginError, Problem

    from .files import Place
    from .layer import Layer, Merged
    from .tree import Hosts

__all__ = ["Raw", "Tables", "gather", "load_dump"]


@dataclass(frozen=True)
class Tables:
    """The settings of each place as they were written, the places not merged yet.

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

        If the table is wrong, return the defaults; :meth:`Raw.validate` says why.
        """
        tables = self._only("plugins")
        if tables.is_empty:
            return PluginSettings()
        from pydantic import ValidationError

        from .check import merge_tables

        try:
            return PluginSettings.model_validate(merge_tables(tables, {}).table.get("plugins", {}))
        except ValidationError:
            return PluginSettings()

    def merge(self, hosts: Hosts) -> Raw:
        """Merge all places, when the result is first asked for.

        Relative paths and environment variables of ``[hosts.NAME]`` cannot be read without the
        types of that host's plugin, so ``hosts`` are the known adapters.
        """
        return Raw(self, hosts)

    @property
    def is_empty(self) -> bool:
        """Whether no setting is given: the usual case, which must not import what others need."""
        return not (self.files or self.variables or self.options)

    def _only(self, table: str) -> Tables:
        """The settings of one top-level table alone."""
        prefix = f"{PREFIX}{table}".upper()
        variables = {
            name: value for name, value in self.variables.items() if name.upper().startswith(prefix)
        }
        files, options = _cut(self.files, table), _cut(self.options, table)
        return replace(self, files=files, variables=variables, options=options)


class Raw:
    """The settings of all places, merged at most once and not validated yet.

    Attributes:
        tables: the settings of each place.
        hosts: the adapters there are.

    """

    def __init__(self, tables: Tables, hosts: Hosts) -> None:
        self.tables = tables
        self.hosts = hosts

    @cached_property
    def merged(self) -> Merged:
        """The values with absolute paths, and the layer that set each."""
        from .check import merge_tables

        return merge_tables(self.tables, self.hosts)

    def validate(self, broken: Sequence[PluginError] = ()) -> Settings:
        """The settings, with ``[hosts.NAME]`` typed by each of :attr:`hosts`.

        Args:
            broken: the plugins that could not be loaded. They may provide an unknown host, so it
                is then not a problem here: looking the host up blames the plugin.

        Raises:
            ConfigError: holds every problem of every place.

        """
        if self.tables.is_empty and not self.tables.problems:
            return Settings()
        from .check import check

        return check(self, broken)

    def origins(self) -> Mapping[str, str]:
        """Where each setting's value comes from, by dotted key.

        That is ``FILE:LINE``, ``--set``, ``--host``, a variable's name, or ``default``.
        """
        from .tree import dotted, settings_tree

        origins = {}
        for setting in settings_tree(self.hosts).settings():
            owner = self.merged.owners.get(setting.key)
            origins[dotted(setting.key)] = owner.origin(setting.key) if owner else "default"
        return origins

    def dump(self, host: str) -> str:
        """Called outside: what the inside of ``host`` needs, as TOML for :func:`load_dump`.

        The merged tables before validation, with absolute paths and ``host`` as the host to
        use. The tables of other hosts are left out: their plugins may be missing inside.
        """
        import tomli_w

        table = self.merged.table
        tables = table.get("hosts", {})
        chosen = {"hosts": {host: tables[host]} if host in tables else {}, "host": host}
        return tomli_w.dumps({**table, **chosen})


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
    """Called inside: read the result of :meth:`Raw.dump`; ``source`` names it in errors.

    Raises:
        ConfigError: ``text`` is not TOML.
    """
    from .files import parse

    layer = parse(text, source, None)
    return Tables(cwd=Path.cwd(), files=[layer] if layer else [])


def _cut(layers: Sequence[Layer], table: str) -> Sequence[Layer]:
    return [
        replace(layer, table={table: layer.table[table]})
        for layer in layers
        if table in layer.table
    ]


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
