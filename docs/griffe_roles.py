"""Griffe extension: docstrings with Sphinx's roles and literal blocks, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`([\w.]+)`")
LITERAL_BLOCK = re.compile(r"::$", re.MULTILINE)


class Roles(griffe.Extension):
    """Turn each role into a link where the site has its target, else into code."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite all docstrings, once all names can be resolved."""
        self._rewrite(pkg)

    def _rewrite(self, of: griffe.Object) -> None:
        def link(role: re.Match[str]) -> str:
            name = role[1]
            return f'<autoref identifier="{_path(of, name)}" optional>`{name}`</autoref>'

        if of.docstring:
            text = ROLE.sub(link, of.docstring.value)
            of.docstring.value = LITERAL_BLOCK.sub(":", text)
        for member in of.members.values():
            if isinstance(member, griffe.Object):
                self._rewrite(member)


def _path(of: griffe.Object, name: str) -> str:
    """The dotted path of ``name`` as ``of``'s docstring means it: in its scope, or the API's."""
    first, *rest = name.split(".")
    for scope in (of, of.package["host"]):
        try:
            return ".".join((scope.resolve(first), *rest))
        except griffe.NameResolutionError:
            continue
    return name
