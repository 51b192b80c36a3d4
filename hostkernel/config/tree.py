"""Every key of the settings, as one tree built from the models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from pydantic import BaseModel

from hostkernel.host import Host

from .models import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from .positions import KeyPath

__all__ = [
    "Hosts",
    "Setting",
    "Table",
    "dotted",
    "nearest_key",
    "settings_tree",
    "typed",
]

Hosts = Mapping[str, type[Host]]


@dataclass(frozen=True)
class Setting:
    """One key that holds a value; ``owner`` is the model that has it as a field."""

    key: tuple[str, ...]
    owner: type[BaseModel]
    field: FieldInfo

    @property
    def is_mapping(self) -> bool:
        """Whether it holds keys that are not known beforehand, such as environment variables."""
        return any(get_origin(one) is dict or one is dict for one in _members(self.field))

    @property
    def description(self) -> str:
        """The field's docstring, or its explicit description; read from source when asked."""
        from .docstrings import field_docstring

        return self.field.description or field_docstring(self.owner, self.key[-1])


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: its name, in parts.
        model: its type, or None for ``[hosts]`` itself.
        summary: what the table is for, if its model's docstring is not used.
        children: the settings and tables that it may contain.
        tells: whether the header alone, with nothing below it, already has a meaning: the table
            is absent by default, or something in it has no default.
    """

    key: tuple[str, ...]
    model: type[BaseModel] | None = None
    summary: str = ""
    children: Mapping[str, Setting | Table] = field(default_factory=dict)
    tells: bool = False

    @property
    def description(self) -> str:
        """What the table is for."""
        from .docstrings import class_docstring

        return self.summary or (class_docstring(self.model) if self.model else "")

    def find(self, path: KeyPath) -> Setting | Table | None:
        """The node at ``path``, or the setting that ``path`` leads into."""
        node: Setting | Table | None = self
        for part in path:
            if not isinstance(node, Table):
                return node
            node = node.children.get(cast("str", part))
        return node

    def walk(self) -> Iterator[Setting | Table]:
        """Every node below this one: settings of a table before its tables."""
        ordered = sorted(self.children.values(), key=lambda node: isinstance(node, Table))
        for node in ordered:
            yield node
            if isinstance(node, Table):
                yield from node.walk()

    def settings(self) -> Iterator[Setting]:
        """Every setting below this one."""
        return (node for node in self.walk() if isinstance(node, Setting))


def settings_tree(hosts: Hosts) -> Table:
    """The tree of all settings, with ``[hosts.NAME]`` for each of ``hosts``."""
    below = {
        name: _table(("hosts", name), host.settings_model, host.summary)
        for name, host in sorted(hosts.items())
    }
    tree = _table((), Settings)
    table = Table(("hosts",), children=below)
    return Table((), Settings, children={**tree.children, "hosts": table})


def _table(
    key: tuple[str, ...], model: type[BaseModel], summary: str = "", *, tells: bool = False
) -> Table:
    children = {name: _node(key, model, name) for name in model.model_fields}
    tells = tells or any(info.is_required() for info in model.model_fields.values())
    return Table(key, model, summary, children, tells)


def _node(key: tuple[str, ...], owner: type[BaseModel], name: str) -> Setting | Table:
    info = owner.model_fields[name]
    model = _model_in(info)
    if model is None:
        return Setting((*key, name), owner, info)
    return _table((*key, name), model, tells=info.default is None)


def _model_in(info: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, itself or as an option besides None."""
    models = [one for one in _members(info) if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if len(models) == 1 else None


def _members(info: FieldInfo) -> Sequence[Any]:
    """The types of a union, or the one type there is."""
    args = get_args(info.annotation)
    return args if type(None) in args else (info.annotation,)


def typed(hosts: Hosts) -> type[Settings]:
    """:class:`Settings` with a field under ``hosts`` for each of ``hosts``.

    Validation does not use it, because making a model takes longer than using one.
    """
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {
        name: (host.settings_model, Field(default={}, description=host.summary or None))
        for name, host in hosts.items()
    }
    config = ConfigDict(extra="forbid", frozen=True)
    table = create_model("Hosts", __config__=config, __doc__=None, **fields)
    replaced: dict[str, Any] = {"hosts": (table, Field(default={}))}
    return create_model("Settings", __base__=Settings, **replaced)


def dotted(path: KeyPath) -> str:
    """``("hosts", "a b", 0)`` as ``hosts."a b"[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += f".{part}" if bare else f".{_quoted(part)}"
    return text.removeprefix(".")


def _quoted(part: str) -> str:
    import json

    return json.dumps(part, ensure_ascii=False)


def nearest_key(path: KeyPath, tree: Table) -> str | None:
    """The known key that an unknown ``path`` was probably meant to be."""
    from difflib import get_close_matches

    known = [node.key for node in tree.walk()]
    name = str(path[-1])
    siblings = {key[-1]: key for key in known if key[:-1] == path[:-1]}
    elsewhere = {key[-1]: key for key in known if key[:-1] != path[:-1]}
    for keys in (siblings, elsewhere):
        if match := get_close_matches(name.lower(), keys, n=1):
            return dotted(keys[match[0]])
    others = [dotted(key) for key in known if key != path[: len(key)]]
    whole = get_close_matches(dotted(path), others, n=1, cutoff=0.8)
    return whole[0] if whole else None
