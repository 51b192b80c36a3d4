"""The map in docs/architecture.md names only files and definitions that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "docs" / "architecture.md"
CODE = re.compile(r"`([^`\n]+)`")
# A path below the root, or a file in it.
PATH = re.compile(r"[\w.-]+(/[\w.-]+)+/?|[\w-]+\.(md|py|toml)")
# A row of the table of layers: the number and the units.
ROW = re.compile(r"^\| (\d) \| ([^|]+) \|", re.MULTILINE)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def references(text: str) -> list[str]:
    """Each ``path::name`` and each path that ``text`` has in backticks, once."""
    found = (code for code in CODE.findall(text) if "::" in code or PATH.fullmatch(code))
    return list(dict.fromkeys(found))


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def names_of(node: ast.stmt) -> set[str]:
    """The names that a statement defines in the body that it stands in."""
    if isinstance(node, Definition):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def defines(body: list[ast.stmt], name: str) -> bool:
    """Whether ``name``, perhaps dotted, is defined in the body of a module or class."""
    first, _, rest = name.partition(".")
    nodes = [node for node in body if first in names_of(node)]
    if not rest:
        return bool(nodes)
    return any(isinstance(node, ast.ClassDef) and defines(node.body, rest) for node in nodes)


def is_there(reference: str) -> bool:
    path, separator, name = reference.partition("::")
    file = ROOT / path
    if not separator:
        return file.exists()
    return file.suffix == ".py" and file.is_file() and defines(tree_of(file).body, name)


def test_whatever_the_map_names_is_there() -> None:
    found = references(MAP.read_text(encoding="utf-8"))
    assert len(found) > 60
    missing = [reference for reference in found if not is_there(reference)]
    assert missing == [], f"{MAP.relative_to(ROOT)} names what is not there: {', '.join(missing)}"


def layers() -> list[set[str]]:
    """``LAYERS`` of the architecture's test, without what is not written yet."""
    body = tree_of(ROOT / "tests" / "test_architecture.py").body
    (found,) = (node for node in body if "LAYERS" in names_of(node))
    assert isinstance(found, ast.Assign)
    core = ROOT / "hostkernel"
    places = {
        unit: core.joinpath(*unit.split(".")) for unit in chain(*ast.literal_eval(found.value))
    }
    there = {unit for unit, at in places.items() if at.is_dir() or at.with_suffix(".py").exists()}
    return [there.intersection(units) for units in ast.literal_eval(found.value)]


def test_the_map_has_the_layers() -> None:
    drawn: dict[int, set[str]] = {}
    for number, units in ROW.findall(MAP.read_text(encoding="utf-8")):
        paths = [path.removesuffix(".py").split("/") for path in CODE.findall(units)]
        drawn.setdefault(int(number), set()).update(".".join(path[1:]) for path in paths)
    assert drawn == dict(enumerate(layers(), 1))


def test_both_kinds_of_references_are_found() -> None:
    text = "`a/b.py::C.d` runs `x = y`, see `pyproject.toml`, `a/b`, `C.d` and `a/b.py::C.d`."
    assert references(text) == ["a/b.py::C.d", "pyproject.toml", "a/b"]


@pytest.mark.parametrize(
    "reference",
    [
        "tests/no_such_file.py",
        "tests/no_such_file.py::is_there",
        "tests/test_map.py::no_such_function",
        "tests/test_map.py::is_there.file",
        "tests/test_map.py::Path",
        "pyproject.toml::project",
        "hostkernel/kernel/guest/pump.py::Pump.no_such_method",
    ],
)
def test_what_is_not_there_is_missed(reference: str) -> None:
    assert not is_there(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "tests",
        "tests/test_map.py::ROOT",
        "hostkernel/config/models.py::KernelSettings.time_budget",
        "hostkernel/kernel/ipython/kernel.py::HostIPythonKernel.dispatch_shell",
    ],
)
def test_what_is_there_is_found(reference: str) -> None:
    assert is_there(reference)
