"""The line of each key in a TOML file; tomllib reads values but gives no positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEY", "KeyPath", "find_positions", "split_key"]

KeyPath = tuple[str | int, ...]
"""``("hosts", "NAME", "command", 0)``: a key, with numbers for places in an array."""

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})'''
    r"""|'''.*?'''(?:'{0,2})"""
    r'''|"(?:\\.|[^"\\])*"'''
    r"""|'[^']*'"""
    r"""|[^,\]}\#\r\n]+""",
    re.DOTALL,
)


def find_positions(text: str) -> Mapping[KeyPath, int]:
    """The 1-based line of every table, key and array element in ``text``.

    ``text`` must be valid for ``tomllib.loads``: statements are separated here, not validated.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._counts: dict[KeyPath, int] = {}

    def scan(self) -> None:
        table: KeyPath = ()
        self._skip(_GAP)
        while self.at < len(self.text):
            table = self._statement(table)
            self._skip(_GAP)

    def _statement(self, table: KeyPath) -> KeyPath:
        if self.text[self.at] != "[":
            self._pair(table)
            return table
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        header = self._header(array=brackets == 2)
        self._skip(_SPACE)
        self.at += brackets
        return header

    def _header(self, *, array: bool) -> KeyPath:
        line, key = self._key()
        path: KeyPath = ()
        for part in key[:-1]:
            path = self._into((*path, part), line)
        path = (*path, key[-1])
        if array:
            self._counts[path] = self._counts.get(path, 0) + 1
        return self._into(path, line)

    def _into(self, path: KeyPath, line: int) -> KeyPath:
        """Record the line of ``path``; in an array of tables, continue in its last table."""
        self.lines.setdefault(path, line)
        if path not in self._counts:
            return path
        path = (*path, self._counts[path] - 1)
        self.lines.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line, key = self._key()
        path = table
        for part in key:
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._skip(_SPACE)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        index = 0
        while self._next_item("]"):
            self.lines[*path, index] = self._line()
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, closing: str) -> bool:
        """Skip the opening bracket or comma; at the end skip the closing one and return False."""
        self._skip(_GAP)
        if self.text[self.at] != closing:
            self.at += 1
            self._skip(_GAP)
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def _key(self) -> tuple[int, list[str]]:
        self._skip(_SPACE)
        line = self._line()
        start = self.at
        self._skip(KEY)
        return line, split_key(self.text[start : self.at])

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is None:  # tomllib and this module disagree; losing positions beats looping
            message = f"no position at offset {self.at}"
            raise ValueError(message)
        self.at = match.end()

    def _line(self) -> int:
        return bisect_right(self._newlines, self.at - 1) + 1


def split_key(written: str) -> list[str]:
    """``a."b c"`` as its parts.

    Raises:
        tomllib.TOMLDecodeError: ``written`` is not a TOML key.

    """
    table: object = tomllib.loads(f"{written} = 0")
    parts: list[str] = []
    while isinstance(table, dict):
        (part, table), *_ = table.items()
        parts.append(part)
    return parts
