"""How long a kernel takes to come up: from the command to its first reply to kernel_info.

A host that runs in hostkernel's own process is compared with stock ipykernel. Of a host in a
process of its own, its own start is measured too, with a script that only says when the host
is up: what is above that is hostkernel's part. The starts of a row and of what it is compared
with alternate.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kernels import CONTENDERS, Contender, Lab, available
from report import Report, options, positive, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKER = Path(__file__).with_name("marker.py")
_TARGETS = {"python": 1.25}
_HEAD = (
    "| kernel | median, ms | all, ms | x stock | target |",
    "|---|---:|---:|---:|---:|",
)
_CHILD_HEAD = (
    "| kernel | host alone, ms | with its kernel, ms | above, ms | all, ms |",
    "|---|---:|---:|---:|---:|",
)

Starts = dict[str, list[float]]
"""Milliseconds of each start, by key; of a host alone, by ``KEY alone``."""


def measure(contenders: Sequence[Contender], count: int, child_count: int) -> Starts:
    here = [contender for contender in contenders if not contender.own_start]
    children = [contender for contender in contenders if contender.own_start]
    times: Starts = {}
    with Lab.open() as lab:
        _start_all(lab, here, {})
        for number in range(count):
            print(f"start {number + 1} of {count}", file=sys.stderr)
            _start_all(lab, here, times)
        _start_all(lab, children, {})
        for number in range(child_count):
            print(f"start {number + 1} of {child_count}, own processes", file=sys.stderr)
            _start_all(lab, children, times)
    return times


def _start_all(lab: Lab, contenders: Sequence[Contender], times: Starts) -> None:
    for contender in contenders:
        if contender.own_start:
            alone = lab.own_start(contender, _MARKER)
            times.setdefault(f"{contender.key} alone", []).append(1000 * alone)
        with lab.kernel(contender) as kernel:
            times.setdefault(contender.key, []).append(1000 * kernel.answered())


def _row(contender: Contender, times: Starts) -> dict[str, Any]:
    starts = times[contender.key]
    row = {
        "key": contender.key,
        "kernel": contender.title,
        "median_ms": median(starts),
        "starts_ms": starts,
    }
    if not contender.own_start:
        ratio = median(starts) / median(times["stock"])
        return {**row, "ratio": ratio, "target": _TARGETS.get(contender.key)}
    alone = times[f"{contender.key} alone"]
    above = [with_kernel - own for with_kernel, own in zip(starts, alone, strict=True)]
    return {**row, "alone_ms": median(alone), "above_ms": median(above), "all_above_ms": above}


def _line(row: dict[str, Any]) -> str:
    target = f"≤ {row['target']}" if row["target"] else ""
    starts = spread(row["starts_ms"], 0)
    return (
        f"| {row['kernel']} | {row['median_ms']:.0f} | {starts} | {row['ratio']:.2f} | {target} |"
    )


def _child_line(row: dict[str, Any]) -> str:
    figures = (row["alone_ms"], row["median_ms"], row["above_ms"])
    cells = (row["kernel"], *(f"{figure:.0f}" for figure in figures))
    return f"| {' | '.join(cells)} | {spread(row['all_above_ms'], 0)} |"


def tables(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    here = [_line(row) for row in rows if "ratio" in row]
    children = [_child_line(row) for row in rows if "above_ms" in row]
    return "\n".join([*_HEAD, *here]), "\n".join([*_CHILD_HEAD, *children]) if children else ""


def main() -> None:
    measured = [item for item in CONTENDERS if item.key in _TARGETS or item.own_start]
    parser = options(__doc__ or "", [contender.key for contender in measured])
    parser.add_argument("--count", type=positive, default=15, help="starts of each kernel")
    parser.add_argument(
        "--child-count", type=positive, default=5, help="starts of each host in its own process"
    )
    arguments = parser.parse_args()
    contenders, left_out = available(arguments.hosts)
    times = measure(contenders, arguments.count, arguments.child_count)
    rows = [_row(contender, times) for contender in contenders]
    parameters = {"starts": arguments.count, "starts in own processes": arguments.child_count}
    Report("startup", rows, left_out, parameters).show(arguments, *tables(rows))


if __name__ == "__main__":
    main()
