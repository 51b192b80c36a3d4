"""How long one cell takes: kernels in hosts against stock ipykernel, in interleaved rounds.

Each round starts every kernel afresh, one after another so that none disturbs another, warms
it up and then runs the cell `pass` so many times. A round trip lasts from sending the request
until both its reply and its "idle" status have arrived. Medians are those of all rounds together;
the spread is that of the single rounds' medians.
"""

from __future__ import annotations

import sys
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

from kernels import CONTENDERS, Contender, Lab, available
from report import Report, options, positive, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

_WARM_UP = 50  # a window draws its first pictures meanwhile
_TARGETS = {"python": 1.05, "qt": 1.15, "blender-window": 1.3}
_HEAD = (
    "| kernel | median, ms | rounds, ms | x stock | rounds | target |",
    "|---|---:|---:|---:|---:|---:|",
)

Rounds = dict[str, list[list[float]]]
"""Milliseconds of each cell of each round, by the contender's key."""


def measure(contenders: Sequence[Contender], rounds: int, count: int) -> Rounds:
    times: Rounds = {contender.key: [] for contender in contenders}
    with Lab.open() as lab:
        for number in range(rounds):
            # Nobody is always the first, nor always behind the same.
            first = number % len(contenders)
            for contender in (*contenders[first:], *contenders[:first]):
                print(f"round {number + 1} of {rounds}: {contender.key}", file=sys.stderr)
                times[contender.key].append(_one_round(lab, contender, count))
    return times


def _one_round(lab: Lab, contender: Contender, count: int) -> list[float]:
    with lab.kernel(contender) as kernel:
        kernel.answered()
        for _ in range(_WARM_UP):
            kernel.round_trip()
        return [1000 * kernel.round_trip() for _ in range(count)]


def summarize(contenders: Sequence[Contender], times: Rounds) -> list[dict[str, Any]]:
    return [_row(contender, times[contender.key], times["stock"]) for contender in contenders]


def _row(
    contender: Contender, rounds: list[list[float]], stock: list[list[float]]
) -> dict[str, Any]:
    pairs = zip(rounds, stock, strict=True)
    return {
        "key": contender.key,
        "kernel": contender.title,
        "median_ms": median(chain(*rounds)),
        "round_medians_ms": [median(cells) for cells in rounds],
        "ratio": median(chain(*rounds)) / median(chain(*stock)),
        "round_ratios": [median(own) / median(other) for own, other in pairs],
        "target": _TARGETS.get(contender.key),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    return "\n".join([*_HEAD, *map(_line, rows)])


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["kernel"],
        f"{row['median_ms']:.2f}",
        spread(row["round_medians_ms"], 2),
        f"{row['ratio']:.2f}",
        spread(row["round_ratios"], 2),
        f"≤ {row['target']}" if row["target"] else "",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = options(__doc__ or "", [contender.key for contender in CONTENDERS])
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument(
        "--count", type=positive, default=300, help="cells of each kernel in a round"
    )
    arguments = parser.parse_args()
    contenders, left_out = available(arguments.hosts)
    times = measure(contenders, arguments.rounds, arguments.count)
    rows = summarize(contenders, times)
    parameters = {"rounds": arguments.rounds, "cells a round": arguments.count}
    Report("roundtrip", rows, left_out, parameters).show(arguments, table(rows))


if __name__ == "__main__":
    main()
