"""Thousands of cells in one Blender window, with file loads and undos in between.

    xvfb-run -a python benchmarks/blender_soak.py [--cells 10000]

Every cell must be answered, rightly; at the end Blender must have as many descriptors and
threads as after the first fifth. The tests run 500 of the same cells.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hosts.soak import MEASURE, PREPARE, cells
from support.runs import Run, run_cell

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

_SMALL = '["--window-geometry", "0", "0", "320", "240"]'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    count = parser.parse_args().cells
    options = [
        f"--set=hosts.blender.{value}" for value in ("factory_startup=true", f"args={_SMALL}")
    ]
    folder = Path(tempfile.mkdtemp(prefix="hostkernel-soak-"))
    run = Run(folder, "--host", "blender", *options, DISPLAY=os.environ["DISPLAY"])
    try:
        _soak(run, count)
    finally:
        run.close()


def _soak(run: Run, count: int) -> None:
    client = run.client()
    run_cell(client, PREPARE)
    blender = psutil.Process(int(run_cell(client, "os.getpid()")))
    before, memory, began = "", 0, time.monotonic()
    for number, (code, expected) in enumerate(cells(count)):
        if (found := run_cell(client, code)) != expected:
            raise SystemExit(f"cell {number}, {code}: {found}")
        if number and not number % 500:
            found = f"descriptors and threads {run_cell(client, MEASURE)}"
            seconds = f"{time.monotonic() - began:.0f} s"
            print(f"{number} cells, {seconds}, {found}", file=sys.stderr, flush=True)
        if number == count // 5:
            before, memory = _measure(client), blender.memory_info().rss
    after, grown = _measure(client), blender.memory_info().rss - memory
    print(f"{count} cells in {time.monotonic() - began:.0f} s, every one answered.")
    print(f"Descriptors and threads: {before} after a fifth of them, {after} at the end.")
    print(f"Memory since then: {grown / 2**20:+.0f} MiB.")
    if before != after:
        raise SystemExit("descriptors or threads have leaked")


def _measure(client: BlockingKernelClient) -> str:
    found = []
    for _ in range(10):
        found.append(run_cell(client, MEASURE))
        time.sleep(0.5)
    return min(found)


if __name__ == "__main__":
    main()
