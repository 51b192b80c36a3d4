"""The settings as documents: sample file, Markdown table, JSON Schema, effective values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import tomli_w
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined, to_jsonable_python

from hostkernel.errors import ConfigError
from hostkernel.host import Host, HostSettings

from .docstrings import field_docstring
from .tree import Table, dotted, settings_tree, typed

if TYPE_CHECKING:
    from .models import Settings
    from .tree import Hosts, Setting

__all__ = ["effective", "inline", "json_schema", "look_up", "markdown", "sample", "shown"]

_WIDTH = 88
_INTRODUCTION = """\
Settings of hostkernel. Every setting is here with its default, commented out.

This file is read from the nearest directory upward of the working directory, as is the table
[tool.hostkernel] of a pyproject.toml; the user's and the site's file have the same form, and
`hostkernel config path` says where they are. Stronger than any file are environment variables,
such as HOSTKERNEL_KERNEL__LOG_LEVEL=debug, and --set kernel.log_level=debug.
"""


def sample(hosts: Hosts) -> str:
    """What ``config init`` writes: a valid file that changes nothing."""
    lines = list(_comment(_INTRODUCTION))
    tree = settings_tree(hosts)
    for node in tree.walk():
        if isinstance(node, Table):
            lines += _table_header(node, tree) if node.model else ()
        else:
            lines += ["", *_comment(node.description), *_choices(node), _commented_out(node)]
    return "\n".join(lines) + "\n"


def _table_header(table: Table, tree: Table) -> Iterator[str]:
    around = (tree.find(table.key[: end + 1]) for end in range(len(table.key)))
    mark = "#" if any(isinstance(one, Table) and one.tells for one in around) else ""
    yield from ("", "", *_comment(table.description), f"{mark}[{dotted(table.key)}]")


def _comment(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(filter(None, text.strip().split("\n\n"))):
        if number:
            yield "#"
        lines = textwrap.wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from (f"# {line}" for line in lines)


def _choices(setting: Setting) -> Iterator[str]:
    if get_origin(setting.field.annotation) is Literal:
        choices = map(inline, get_args(setting.field.annotation))
        yield from _comment(f"One of {', '.join(choices)}.")


def _commented_out(setting: Setting) -> str:
    name = dotted(setting.key[-1:])
    default = _default(setting)
    if default is not None:
        return f"#{name} = {inline(default)}"
    note = "there is no default" if setting.field.is_required() else "not set"
    return f"#{name} = {_placeholder(setting)}  # {note}"


def _placeholder(setting: Setting) -> str:
    """A value of about the right type, where there is no default to show."""
    kind = _type(setting.field.annotation)
    examples = {"number": "0", "whole number": "0", "true or false": "true"}
    if kind.startswith("list"):
        return "[]"
    return "{}" if kind == "table" else examples.get(kind, '"..."')


def markdown(hosts: Hosts) -> str:
    """A Markdown table of every setting; settings that all hosts have appear once."""
    common = type("_Common", (Host,), {"settings_model": HostSettings})
    tree = settings_tree({"NAME": common, **hosts})
    rows = ["| setting | type | default | |", "|---|---|---|---|"]
    for setting in tree.settings():
        is_of_host = setting.key[0] == "hosts" and setting.key[1] != "NAME"
        if not is_of_host or setting.key[-1] not in HostSettings.model_fields:
            rows.append(_row(setting))
    return "\n".join(rows) + "\n"


def _row(setting: Setting) -> str:
    default = _default(setting)
    shown = "required" if setting.field.is_required() else ""
    cells = (
        f"`{dotted(setting.key)}`",
        _type(setting.field.annotation),
        shown if default is None else f"`{inline(default)}`",
        setting.description,
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _type(annotation: Any) -> str:
    """A type in plain words."""
    args = [arg for arg in get_args(annotation) if arg is not type(None)]
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{inline(choice)}`" for choice in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "table"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"list of {_type(args[0])}s"
    if args:
        return " or ".join(_type(arg) for arg in args)
    names = {"str": "string", "bool": "true or false", "int": "whole number", "float": "number"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name.lower())


def json_schema(hosts: Hosts) -> dict[str, Any]:
    """One JSON Schema for the whole of ``hostkernel.toml``, each host's table included."""
    schema = typed(hosts).model_json_schema(schema_generator=_Documented)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "hostkernel.toml"}


class _Documented(GenerateJsonSchema):
    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Add the docstrings of fields, which pydantic has not read."""
        generated = super().model_schema(schema)
        for name, field in generated.get("properties", {}).items():
            if text := field_docstring(schema["cls"], name):
                field.setdefault("description", text)
        return generated


def effective(settings: Settings, hosts: Hosts) -> dict[str, Any]:
    """Every setting's value as TOML and JSON know it, by its key; None where it is not set."""
    below = {}
    for name, host in hosts.items():
        try:
            below[name] = settings.for_host(host)
        except ConfigError:  # the host needs a table, but only if it is used
            continue
    whole = settings.model_copy(update={"hosts": below})
    table: dict[str, Any] = whole.model_dump(mode="json")
    return table


def shown(table: Mapping[str, Any], hosts: Hosts, origins: Mapping[str, str] | None) -> str:
    """The result of :func:`effective` as TOML, with each value's origin if ``origins`` is given."""
    lines: list[str] = []
    for node in settings_tree(hosts).walk():
        value = look_up(table, node.key)
        if isinstance(node, Table):
            lines += ["", f"[{dotted(node.key)}]"] if node.model and value is not None else []
            continue
        if value is None and origins is None:
            continue
        name = dotted(node.key[-1:])
        line = f"# {name} is not set" if value is None else f"{name} = {inline(value)}"
        lines.append(f"{line}  # {origins[dotted(node.key)]}" if origins else line)
    return "\n".join(lines).lstrip("\n") + "\n"


def look_up(table: Any, key: Sequence[str]) -> Any:
    """The value at ``key``, None if there is none."""
    for part in key:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _default(setting: Setting) -> Any:
    default = setting.field.get_default(call_default_factory=True, validated_data={})
    return None if default is PydanticUndefined else to_jsonable_python(default)


def inline(value: Any) -> str:
    """``value`` as TOML on one line."""
    if isinstance(value, Mapping):
        pairs = [f"{dotted((k,))} = {inline(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(inline(item) for item in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")
