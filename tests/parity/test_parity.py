"""A cell that works on stock ipykernel works here, and says the same."""

from __future__ import annotations

import re
from difflib import unified_diff
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from parity.cases import CASES
from parity.targets import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from parity.case import Case
    from parity.conftest import Recordings

pytestmark = pytest.mark.slow(170)

# Each is one more thing that a user of Jupyter has to know about.
MOST_DIFFERENCES = 15
# In a difference: what a user sees that the stock kernel does not send, and what it alone sends.
KINDS = "stdout|stderr|display_data|execute_result|error ename|reply status"
SHOWN = re.compile(rf"^\+((?:\[\d+\] (?:{KINDS})|of no cell).*)", re.MULTILINE)
LACKED = re.compile(r"^-(.*)", re.MULTILINE)


def _runs() -> Iterator[object]:
    for case in CASES:
        for target in case.targets or OURS:
            yield pytest.param(case, target, id=f"{target}-{case.name}")


@pytest.mark.parametrize(("case", "target"), list(_runs()))
def test_same_as_stock(case: Case, target: str, recordings: Recordings) -> None:
    stock, ours = (recordings.of(case, each) for each in ("stock", target))
    difference = "\n".join(unified_diff(stock, ours, "stock", target, lineterm="", n=1))
    if case.differs is None or not case.differs_in(target):
        if difference:
            pytest.fail(difference, pytrace=False)
        return
    if not difference:
        pytest.fail("no difference any more: take out what the case declares", pytrace=False)
    shown = SHOWN.findall(difference)
    declared = case.differs.ours
    as_declared = len(shown) == len(declared) and all(map(str.startswith, shown, declared))
    if not as_declared or case.differs.stock not in "".join(LACKED.findall(difference)):
        pytest.fail(f"not the declared difference: {shown}\n{difference}", pytrace=False)


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_differences_are_few_and_reasoned() -> None:
    declared = [case.differs for case in CASES if case.differs is not None]
    assert len(declared) <= MOST_DIFFERENCES
    assert all(each.reason and (each.ours or each.stock) for each in declared)
    named = set(chain.from_iterable(each.targets for each in declared))
    assert named <= set(OURS)


def test_there_are_many() -> None:
    assert len(CASES) >= 150
