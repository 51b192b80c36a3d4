"""How long one cell takes in two versions of hostkernel: both are up at once, in turns.

A machine may be a third slower from one minute to the next, so rounds one after another compare
two moments of it. Here blocks of a few cells alternate, within a tenth of a second, between the
version before, this one and stock ipykernel. The ratio is the median of those of the blocks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from kernels import CONTENDERS, Lab
from report import positive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WARM_UP = 50
_HOSTS = ("python", "qt", "blender-window")
_HEAD = (
    "| kernel | before, ms | now, ms | now / before | quartiles | x stock before | now |\n"
    "|---|---:|---:|---:|---:|---:|---:|"
)


class Version:
    """A kernel of one version of hostkernel, in a process that measures it when asked.

    Args:
        python: of the environment that has this version.
        host: a contender's key.
    """

    def __init__(self, python: str, host: str) -> None:
        command = [python, str(Path(__file__).resolve()), "--measure", host]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def block(self, cells: int) -> float:
        """Run some cells; the median of their times in milliseconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{cells}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self._process.args}: it ended with {self._process.wait()}")
        return median(json.loads(answer))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(host: str) -> Iterator[list[float]]:
    """Milliseconds of each cell of a block, for each line of standard input."""
    [contender] = [each for each in CONTENDERS if each.key == host]
    with Lab.open() as lab, lab.kernel(contender) as kernel:
        kernel.answered()
        for _ in range(_WARM_UP):
            kernel.round_trip()
        for line in sys.stdin:
            yield [1000 * kernel.round_trip() for _ in range(int(line))]


def compare(before: str, host: str, blocks: int, cells: int) -> dict[str, Any]:
    """Alternate blocks of the three kernels; a row of figures."""
    versions = {
        "before": Version(before, host),
        "now": Version(sys.executable, host),
        "stock": Version(sys.executable, "stock"),
    }
    try:
        for version in versions.values():
            version.block(1)
        times = [_in_turns(versions, number, cells) for number in range(blocks)]
    finally:
        for version in versions.values():
            version.close()
    ratios = [block["now"] / block["before"] for block in times]
    return {
        "key": host,
        "before_ms": median(block["before"] for block in times),
        "now_ms": median(block["now"] for block in times),
        "ratio": median(ratios),
        "quartiles": quantiles(ratios, n=4)[::2],
        "before_x_stock": median(block["before"] / block["stock"] for block in times),
        "now_x_stock": median(block["now"] / block["stock"] for block in times),
    }


def _in_turns(versions: Mapping[str, Version], number: int, cells: int) -> dict[str, float]:
    names = [*versions]
    first = number % len(names)
    return {name: versions[name].block(cells) for name in (*names[first:], *names[:first])}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| {row['key']} | {row['before_ms']:.2f} | {row['now_ms']:.2f} | {row['ratio']:.3f} | "
        f"{row['quartiles'][0]:.2f} to {row['quartiles'][1]:.2f} | "
        f"{row['before_x_stock']:.2f} | {row['now_x_stock']:.2f} |"
        for row in rows
    ]
    return "\n".join([_HEAD, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", metavar="PYTHON", help="of an environment with the other one")
    parser.add_argument("--hosts", nargs="+", default=_HOSTS)
    parser.add_argument("--blocks", type=positive, default=60)
    parser.add_argument("--count", type=positive, default=15, help="cells of each block")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", metavar="HOST", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        for times in measure(arguments.measure):
            print(json.dumps(times), flush=True)
        return
    if arguments.before is None:
        parser.error("--before names the Python of an environment with the other version")
    rows = [
        compare(arguments.before, host, arguments.blocks, arguments.count)
        for host in arguments.hosts
    ]
    print(json.dumps({"benchmark": "compare", "rows": rows}) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
