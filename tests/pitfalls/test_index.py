"""The index of pitfalls names them all, and only tests that are there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from pitfalls.index import HELD, NOT_HERE, PITFALLS

ROOT = Path(__file__).parents[2]


@cache
def names_in(module: str) -> set[str]:
    """The names of a module's test functions."""
    body = ast.parse((ROOT / module).read_text()).body
    functions = (each.name for each in body if isinstance(each, ast.FunctionDef))
    return {name for name in functions if name.startswith("test_")}


def test_there_are_42_of_them() -> None:
    assert list(PITFALLS) == list(range(1, 43))


def test_each_is_held_or_excused() -> None:
    assert sorted((*HELD, *NOT_HERE)) == sorted(PITFALLS)


@pytest.mark.parametrize("number", HELD)
def test_what_holds_it_is_there(number: int) -> None:
    assert HELD[number]
    for name in HELD[number]:
        module, _, test = name.partition("::")
        assert test in names_in(module), f"P{number}: {name}"


def test_the_numbered_tests_are_in_it() -> None:
    module = "tests/pitfalls/test_pitfalls.py"
    for test in names_in(module):
        assert f"{module}::{test}" in HELD[int(test.split("_")[1].removeprefix("p"))]
