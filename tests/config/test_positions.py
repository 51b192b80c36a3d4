from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from hostkernel.config.positions import KeyPath, find_positions, split_key

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path that tomllib yields."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, (*path, key))
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from paths(child, (*path, index))


def parts_written_on(line: str) -> set[str]:
    """Every word or quoted string of a line that could be a part of a key."""
    found = set()
    for start in range(len(line)):
        for quote in "\"'":
            if line[start] == quote:
                end = start + 1
                while (end := line.find(quote, end)) != -1:
                    end += 1
                    try:
                        found.update(split_key(line[start:end]))
                    except tomllib.TOMLDecodeError:
                        continue
    word = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else " " for c in line)
    return found | set(word.split())


def check(text: str) -> None:
    positions = find_positions(text)
    expected = set(paths(tomllib.loads(text)))
    assert set(positions) == expected
    lines = text.split("\n")
    for path, line in positions.items():
        if isinstance(path[-1], str):
            assert path[-1] in parts_written_on(lines[line - 1]), path


EVERYTHING = '''
# a comment with [brackets] = "and" \'quotes\'
top = 1
"quoted key" = 'a # b'
dotted . "in.ner" . leaf = true   # [not.a.table]
text = """
[not.a.table]
not_a_key = 1 \\""" still text
"""
ends = """two quotes at the end:""\"""
raw = \'\'\'
x = 1
\\\'\'\'
array = [
  1, # one ]
  [ "a,b", "]", \'\'\'"]\'\'\' ],
  { x = 1, "y z" = [ 2 ] },
]
inline = { a = { b.c = "}" }, d = [] }
empty = {}
when = 1979-05-27 07:32:00
  [table]
  key = inf
[ table . "sub table" ]
k = 1
[[fruit]]
name = "apple"
[fruit.physical]
colour = "red"
[[fruit.kinds]]
name = "red delicious"
[[fruit.kinds]]
name = "granny smith"
[[fruit]]
[[fruit.kinds]]
name = "plantain"
[fruit.kinds.deep]
x = 0
'''


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "# last"])
def test_every_construct_has_the_lines_of_its_keys(newline: str, end: str) -> None:
    check((EVERYTHING + end).replace("\n", newline))


def test_lines_are_those_of_the_statement() -> None:
    positions = find_positions('[a]\n# no\nb = """\n\n"""\nc = [\n 1,\n\n 2]\n[[d]]\n[[d]]\ne.f=1')
    assert positions["a",] == 1
    assert positions["a", "b"] == 3
    assert positions["a", "c"] == 6
    assert positions["a", "c", 1] == 9
    assert positions["d",] == 10
    assert positions["d", 1] == 11
    assert positions["d", 1, "e", "f"] == 12


def test_nothing_is_nowhere() -> None:
    assert find_positions("") == {}
    assert find_positions("\r\n # only a comment") == {}


keys = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)
scalars = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats()
    | st.dates()
    | st.datetimes()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(keys, values, max_size=5)


@given(documents, st.booleans())
def test_whatever_is_written_is_found(document: dict[str, object], multiline: bool) -> None:
    check(tomli_w.dumps(document, multiline_strings=multiline))


key_texts = st.lists(
    st.sampled_from(["a", "b", "c-1", '"q r"', '"#"', "'.'", '"="', '"\\u0041]"']),
    min_size=1,
    max_size=3,
).flatmap(lambda parts: st.sampled_from([".", " . "]).map(lambda dot: dot.join(parts)))
value_texts = st.recursive(
    st.sampled_from(
        [
            "1",
            "true",
            '"]"',
            "'}'",
            '"""\n#"\\"""""',
            "'''\n]'''''",
            "2000-01-01 00:00:00",
            '"\\\\"',
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda vs: "[" + " ,# ]\n ".join(vs) + "\n]")
        | st.lists(st.tuples(key_texts, inner), max_size=2).map(
            lambda kvs: "{" + ",".join(f" {k} = {v}" for k, v in kvs) + "}"
        )
    ),
    max_leaves=6,
)
statements = (
    st.tuples(key_texts, value_texts).map(lambda kv: f"{kv[0]}\t= {kv[1]} # x = 1")
    | key_texts.map(lambda k: f" [ {k} ]")
    | key_texts.map(lambda k: f"[[{k}]]  # [y]")
    | st.sampled_from(["", "# [c]", "   "])
)


@given(st.lists(statements, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_hand_written_statements_are_found(written: list[str], newline: str) -> None:
    text = ""
    for statement in written:  # keep what tomllib accepts; most random pairs of tables clash
        longer = text + statement.replace("\n", newline) + newline
        try:
            tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue
        text = longer
    check(text)
