"""Blender's window with a kernel: how soon a cell is answered, and what an idle kernel costs.

    python benchmarks/blender.py [--rounds 3] [--quiet 60]

Four figures, in interleaved rounds: the round trip of `pass` against stock ipykernel and
against one asyncio turn per 1 ms timer of Blender's, the first cell after a time of quiet, the
idle processor time above Blender alone, and the frame rate of an animation in the viewport.
"""

from __future__ import annotations

import argparse
import re
import sys
import sysconfig
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil
from kernels import CONTENDERS, Contender, Lab

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE = Path(__file__).parent
_FILE = "CONNECTION_FILE"
_BLENDER = ("blender", "--factory-startup", "--window-geometry", "0", "0", "640", "480")
_EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
_SETTINGS = (
    "--set=hosts.blender.factory_startup=true",
    '--set=hosts.blender.args=["--window-geometry", "0", "0", "640", "480"]',
)
_IDLE_SECONDS = 30.0
_PLAY = ("--python", str(_HERE / "play.py"))


MISSING = next(each.lacks for each in CONTENDERS if each.key == "blender-window")


def _alone(*args: str) -> Contender:
    return Contender("alone", "Blender alone", ("-c", _EXEC, *_BLENDER, *args), windowed=True)


def _with_kernel(*args: str) -> Contender:
    argv = ("-m", "hostkernel", "run", "-f", _FILE, "--host", "blender", *_SETTINGS, "--", *args)
    return Contender("blender-window", "Blender, window", argv, windowed=True, lacks=MISSING)


ALONE, WINDOW = _alone(), _with_kernel()
_STOCK = Contender("stock", "stock ipykernel", ("-m", "ipykernel_launcher", "-f", _FILE))
_TURNS = ("--python", str(_HERE / "one_turn_per_timer.py"), "--")
_NAIVE = _alone(*_TURNS, sysconfig.get_path("purelib"), _FILE)


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


def frames(lab: Lab, contender: Contender) -> float:
    """Frames per second of an animation in the viewport."""
    with lab.kernel(contender) as kernel:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if match := re.search(r"FRAMES (\S+)", kernel.output):
                return float(match[1])
            time.sleep(0.5)
    raise SystemExit(f"no frames: {kernel.output}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200, help="cells a round")
    parser.add_argument("--quiet", type=float, default=60.0, help="seconds before the first cell")
    arguments = parser.parse_args()
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)
        print(f"{name}: {value:.2f}", file=sys.stderr)

    with Lab.open() as lab:
        for _ in range(arguments.rounds):
            for contender in (_STOCK, _with_kernel()):
                note(
                    f"round trip, ms: {contender.title}",
                    round_trip(lab, contender, arguments.count),
                )
                note(
                    f"after quiet, ms: {contender.title}",
                    after_quiet(lab, contender, arguments.quiet),
                )
            note(
                "round trip, ms: one turn per 1 ms timer", round_trip(lab, _NAIVE, arguments.count)
            )
            for title, make in (("Blender alone", _alone), ("Blender, window", _with_kernel)):
                note(f"idle, % of a core: {title}", idle(lab, make()))
                note(f"frames per second: {title}", frames(lab, make(*_PLAY)))
    print(_table(rows))


def _table(rows: dict[str, Sequence[float]] | dict[str, list[float]]) -> str:
    lines = ["| what | median | rounds |", "|---|---:|---:|"]
    for name, values in rows.items():
        lines.append(f"| {name} | {median(values):.2f} | {min(values):.2f} to {max(values):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
