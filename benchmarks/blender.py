"""Blender's window with a kernel: how soon a cell is answered, and what an idle kernel costs.

    python benchmarks/blender.py [--rounds 3] [--quiet 60] [--turns 24]

Four figures, in interleaved rounds: the round trip of `pass` against stock ipykernel and
against one asyncio turn per 1 ms timer of Blender's, the first cell after a time of quiet, the
idle processor time above Blender alone, and the frame rate of an animation in the viewport. Two
runs of Blender differ more in that than a kernel can make a difference, and two turns of one
Blender by a tenth, so it is measured in one whose kernel is started and stopped in many turns.
"""

from __future__ import annotations

import argparse
import re
import sys
import sysconfig
import time
from dataclasses import replace
from operator import sub, truediv
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil
from kernels import CONTENDERS, Contender, Lab

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent
_FILE = "CONNECTION_FILE"
_BLENDER = ("blender", "--factory-startup", "--window-geometry", "0", "0", "640", "480")
_EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
_SETTINGS = (
    "--set=hosts.blender.factory_startup=true",
    '--set=hosts.blender.args=["--window-geometry", "0", "0", "640", "480"]',
)
_IDLE_SECONDS = 30.0
_PLAY = ("--python", str(_HERE / "play.py"), "--")


MISSING = next(each.lacks for each in CONTENDERS if each.key == "blender-window")


def _alone(*args: str) -> Contender:
    return Contender("alone", "Blender alone", ("-c", _EXEC, *_BLENDER, *args), windowed=True)


def _with_kernel(*args: str) -> Contender:
    argv = ("-m", "hostkernel", "run", "-f", _FILE, "--host", "blender", *_SETTINGS, "--", *args)
    return Contender("blender-window", "Blender, window", argv, windowed=True, lacks=MISSING)


ALONE, WINDOW = _alone(), _with_kernel()
_STOCK = Contender("stock", "stock ipykernel", ("-m", "ipykernel_launcher", "-f", _FILE))
_TURNS = ("--python", str(_HERE / "one_turn_per_timer.py"), "--")
_NAIVE = replace(
    _alone(*_TURNS, sysconfig.get_path("purelib"), _FILE), title="one turn per 1 ms timer"
)
_TRIP, _QUIET = "round trip, ms", "after quiet, ms"
_IDLE, _FRAMES = "idle, % of a core", "frames per second"
Rows = dict[str, list[float]]


def round_trip(lab: Lab, contender: Contender, count: int) -> float:
    """Median milliseconds of so many cells."""
    with lab.kernel(contender) as kernel:
        kernel.answered()
        for _ in range(20):
            kernel.round_trip()
        return median(1000 * kernel.round_trip() for _ in range(count))


def after_quiet(lab: Lab, contender: Contender, quiet: float) -> float:
    """Milliseconds of the first cell after ``quiet`` seconds."""
    with lab.kernel(contender) as kernel:
        kernel.answered()
        kernel.round_trip()
        time.sleep(quiet)
        return 1000 * kernel.round_trip()


def idle(lab: Lab, contender: Contender) -> float:
    """Percent of a core that the host and its launcher use while nothing happens."""
    with lab.kernel(contender) as kernel:
        time.sleep(25)  # Up, drawn, and beyond the ten seconds of the quick timer.
        root = psutil.Process(kernel.process.pid)
        family = [root, *root.children(recursive=True)]
        before = [_seconds(process) for process in family]
        time.sleep(_IDLE_SECONDS)
        used = sum(_seconds(process) for process in family) - sum(before)
        return 100 * used / _IDLE_SECONDS


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def frames(lab: Lab, turns: int) -> dict[str, list[float]]:
    """Frames per second of an animation in the viewport, by ``with`` or ``without`` a kernel."""
    with lab.kernel(_with_kernel(*_PLAY, str(turns))) as kernel:
        deadline = time.monotonic() + 60 + 60 * turns
        while "FRAMES done" not in kernel.output:
            if time.monotonic() > deadline or kernel.process.poll() is not None:
                raise SystemExit(f"no frames: {kernel.output}")
            time.sleep(0.5)
        found = re.findall(r"FRAMES (with|without) (\S+)", kernel.output)
    return {kind: [float(rate) for each, rate in found if each == kind] for kind in dict(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200, help="cells a round")
    parser.add_argument("--quiet", type=float, default=60.0, help="seconds before the first cell")
    parser.add_argument("--turns", type=int, default=24, help="of the animation, with and without")
    arguments = parser.parse_args()
    with Lab.open() as lab:
        rows = _rounds(lab, arguments)
    print(_table(rows))
    print()
    print(_verdict(rows))


def _rounds(lab: Lab, wanted: argparse.Namespace) -> Rows:
    rows: Rows = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)
        print(f"{name}: {value:.2f}", file=sys.stderr, flush=True)

    for _ in range(wanted.rounds):
        for contender in (_STOCK, _with_kernel(), _NAIVE):
            note(f"{_TRIP}: {contender.title}", round_trip(lab, contender, wanted.count))
        for contender in (_STOCK, _with_kernel()):
            note(f"{_QUIET}: {contender.title}", after_quiet(lab, contender, wanted.quiet))
        for contender in (_alone(), _with_kernel()):
            note(f"{_IDLE}: {contender.title}", idle(lab, contender))
    for kind, rates in frames(lab, wanted.turns).items():
        for rate in rates:
            note(f"{_FRAMES}: {kind} an idle kernel", rate)
    return rows


def _table(rows: Rows) -> str:
    lines = ["| what | median | rounds |", "|---|---:|---:|"]
    for name, values in rows.items():
        lines.append(f"| {name} | {median(values):.2f} | {min(values):.2f} to {max(values):.2f} |")
    return "\n".join(lines)


def _verdict(rows: Rows) -> str:
    """What is promised: medians of what the rounds say, each for itself."""

    def each(kind: str, one: str, other: str, compare: Callable[[float, float], float]) -> float:
        pairs = zip(rows[f"{kind}: {one}"], rows[f"{kind}: {other}"], strict=True)
        return median(compare(*pair) for pair in pairs)

    ours, stock = _with_kernel().title, _STOCK.title
    promised = (
        ("round trip, x stock", each(_TRIP, ours, stock, truediv), "≤ 1.15"),
        ("one turn per 1 ms timer, x ours", each(_TRIP, _NAIVE.title, ours, truediv), "≥ 4"),
        ("after quiet, ms above stock", each(_QUIET, ours, stock, sub), "≤ 25"),
        ("idle, % of a core above Blender alone", each(_IDLE, ours, _alone().title, sub), "≤ 0.5"),
        (
            "frame rate with an idle kernel, x without",
            each(_FRAMES, "with an idle kernel", "without an idle kernel", truediv),
            "≥ 0.98",
        ),
    )
    lines = ["| what | median of the rounds | target |", "|---|---:|---:|"]
    return "\n".join(
        [*lines, *(f"| {what} | {value:.2f} | {aim} |" for what, value, aim in promised)]
    )


if __name__ == "__main__":
    main()
