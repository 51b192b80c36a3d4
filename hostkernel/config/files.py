"""Files with settings: where to look for them, which to trust, and how to read them."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hostkernel.errors import ConfigError, Problem
from hostkernel.private import others_may_write, stranger

if TYPE_CHECKING:
    from .layer import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FILE_NAME", "Place", "named_file", "parse", "project_file", "standard_file", "upward"]

FILE_NAME = "hostkernel.toml"
_PYPROJECT = "pyproject.toml"
_PREFIX = ("tool", "hostkernel")


@dataclass(frozen=True)
class Place:
    """One place that was searched for a file.

    Attributes:
        kind: why this place was searched.
        path: the file, or the directory from which a project file was searched upward.
        layer: the file's settings, None if there is no file.
        problem: why an existing file is not used.

    """

    kind: Literal["site", "user", "project", "named"]
    path: Path
    layer: Layer | None = None
    problem: Problem | None = None

    @property
    def state(self) -> str:
        """The state in one word, for ``config path``."""
        if self.problem:
            return "refused" if self.problem.message.startswith("refused") else "unreadable"
        return "used" if self.layer else "absent"


def standard_file(kind: Literal["site", "user"]) -> Place:
    """The site's or the user's file in the platform's own directory."""
    import platformdirs

    find = platformdirs.user_config_path if kind == "user" else platformdirs.site_config_path
    path = find("hostkernel", appauthor=False) / FILE_NAME
    if not path.exists():
        return Place(kind, path)
    return _place(kind, path)


def named_file(path: Path) -> Place:
    """A file that the user named, and that is therefore trusted."""
    place = _place("named", path)
    if place.layer or place.problem:
        return place
    problem = Problem(str(path), "there is no table [tool.hostkernel] in it")
    return Place("named", path, problem=problem)


def project_file(cwd: Path) -> Place:
    """The nearest project file from ``cwd`` upward, up to home or a file-system boundary."""
    for directory in upward(cwd):
        for name in (FILE_NAME, _PYPROJECT):
            path = directory / name
            if os.path.isfile(path):  # noqa: PTH113 - says False where Path.is_file may raise
                place = _place("project", path, found=True)
                if place.layer or place.problem:
                    return place
    return Place("project", cwd)


def upward(cwd: Path) -> Iterator[Path]:
    """The directories to search for a project file, the nearest first."""
    start = cwd.resolve()
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - never raises
    device = start.stat().st_dev
    for directory in (start, *start.parents):
        if directory.stat().st_dev != device:
            return
        yield directory
        if directory == home:
            return


def _place(kind: Any, path: Path, *, found: bool = False) -> Place:
    try:
        return Place(kind, path, _read(path, found=found))
    except ConfigError as error:
        return Place(kind, path, problem=error.problems[0])


def _read(path: Path, *, found: bool) -> Layer | None:
    try:
        with path.open("rb") as file:
            data, status = file.read(), os.fstat(file.fileno())
    except OSError as error:
        message = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError([Problem(str(path), message)]) from error
    if path.name == _PYPROJECT and b"hostkernel" not in data:
        return None
    layer = parse(_decode(path, data), str(path), path.absolute().parent, name=path.name)
    if layer is not None and found:
        _refuse_strangers(path, status)
    return layer


def _refuse_strangers(path: Path, status: os.stat_result) -> None:
    """Refuse a project file that other users can write: it names programs to run as this user."""
    if (owner := stranger(status)) is not None:
        message = f"refused: it belongs to another user (uid {owner})"
        expected = f"a file of your own, or your word for it: --config {path}"
        raise ConfigError([Problem(str(path), message, expected=expected)])
    if others_may_write(status):
        message = f"refused: other users may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
        expected = f"chmod go-w {path}, or your word for it: --config {path}"
        raise ConfigError([Problem(str(path), message, expected=expected)])


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = data.split(b"\n")[line - 1].decode("utf-8", "backslashreplace").strip()
        problem = Problem(str(path), "not UTF-8", line, text=text, expected="a file in UTF-8")
        raise ConfigError([problem]) from error


def parse(text: str, source: str, base: Path | None, *, name: str = FILE_NAME) -> Layer | None:
    """``text`` as a layer; None for a ``pyproject.toml`` without a table for hostkernel.

    Raises:
        ConfigError: ``text`` is not TOML; says where.

    """
    import tomllib

    from .layer import Layer
    from .positions import find_positions

    try:
        table: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax_problem(text, source, error)]) from error
    prefix = _PREFIX if name == _PYPROJECT else ()
    for part in prefix:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    positions = {
        key[len(prefix) :]: line
        for key, line in find_positions(text).items()
        if key[: len(prefix)] == prefix
    }
    return Layer(source, table, base, positions, text.split("\n"))


def _syntax_problem(text: str, source: str, error: Exception) -> Problem:
    lines = text.rstrip().split("\n")
    message = str(error) or "nested too deeply"
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if match is None:
        return Problem(source, f"not TOML: {message}")
    message = message[: match.start()]
    line = int(match[1]) if match[1] else len(lines)
    shown = lines[line - 1].strip() if line <= len(lines) else None
    where = f" at column {match[2]}" if match[2] else " at the end of the file"
    return Problem(source, f"not TOML: {message[:1].lower()}{message[1:]}{where}", line, text=shown)
