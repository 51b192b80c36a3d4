"""A kernel's life: start, stop, restart, interrupt, output, and what it costs while idle.

Stock ipykernel is started, stopped and restarted by a KernelManager, as clients do it; a kernel
inside a host by its own calls and by messages. Rounds are interleaved, and each figure is the
median of the rounds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil
from blender import ALONE, WINDOW
from jupyter_client.manager import KernelManager
from kernels import CONTENDERS, ROOT, Contender, Kernel, Lab, available
from report import Report, options, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVICE = str(Path(__file__).with_name("service.py"))
_KEYS = ("stock", "python", "qt")
LIVES = (
    *(contender for contender in CONTENDERS if contender.key in _KEYS),
    Contender("asyncio", "asyncio service", (_SERVICE, "CONNECTION_FILE")),
    WINDOW,
)
_QT = str(ROOT / "examples" / "qt_window.py")
_ALONE = {WINDOW.key: ALONE, "qt": Contender("qt-alone", "Qt alone", (_QT,))}  # idle by themselves
_LINES, _BYTES = 100_000, 100_000_000
_PRINT = f"for n in range({_LINES}): print(n)"
_DISPLAY = f"display({{'application/x-test': 'x' * {_BYTES}}}, raw=True)"
# What is measured: its title and target.
_FIGURES = {
    "start": ("start, ms", ""),
    "stop": ("stop, ms", ""),
    "restart": ("restart to kernel_info, ms", "< 50"),
    "interrupt": ("interrupt to reply, ms", "≤ 1.2 x stock"),
    "lines": ("printed lines, 1000/s", "≥ 0.9 x stock"),
    "display": ("100 MB display, MB/s", "≥ 0.9 x stock"),
    "idle": ("idle, % of a core above the host alone", "0.2; Blender 0.5"),
}

Figures = dict[str, dict[str, list[float]]]
"""Each figure of each round, by the contender's key and the figure's name."""


class Stock:
    """A stock kernel and its manager."""

    def __init__(self, lab: Lab) -> None:
        self._manager = KernelManager(kernel_name="python3", cache_ports=False)
        self._env = lab.env

    def life(self) -> dict[str, float]:
        """Milliseconds of a start, a restart and a stop."""
        began = time.perf_counter()
        self._manager.start_kernel(env=self._env)
        client = self._manager.client()
        client.start_channels(hb=False)
        self._answered(client)
        start = time.perf_counter() - began
        began = time.perf_counter()
        self._manager.restart_kernel(now=False)
        self._answered(client)
        restart = time.perf_counter() - began
        client.stop_channels()
        began = time.perf_counter()
        self._manager.shutdown_kernel(now=False)
        stop = time.perf_counter() - began
        found = {"start": start, "restart": restart, "stop": stop}
        return {name: 1000 * seconds for name, seconds in found.items()}

    @staticmethod
    def _answered(client: Any) -> None:
        request = client.kernel_info()
        while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
            pass


def measure(
    contenders: Sequence[Contender], rounds: int, samples: int, idle_seconds: float
) -> Figures:
    figures: Figures = {contender.key: {} for contender in contenders}

    def note(key: str, **found: float) -> None:
        for name, value in found.items():
            figures[key].setdefault(name, []).append(value)

    with Lab.open() as lab:
        for number in range(rounds):
            for contender in contenders:
                print(f"round {number + 1} of {rounds}: {contender.key}", file=sys.stderr)
                note(contender.key, **_one_life(lab, contender, samples, idle_seconds))
    return figures


def _one_life(
    lab: Lab, contender: Contender, samples: int, idle_seconds: float
) -> dict[str, float]:
    found = {}
    with lab.kernel(contender) as kernel:
        kernel.answered()
        kernel.round_trip()
        outputs = [(kernel.round_trip(_PRINT), kernel.round_trip(_DISPLAY)) for _ in range(samples)]
        lines, displays = map(median, zip(*outputs, strict=True))
        found |= {"lines": _LINES / 1000 / lines, "display": _BYTES / 1e6 / displays}
        stock = contender.key == "stock"
        kernel.interrupt(by_signal=stock)  # the first renders the first traceback
        interrupts = [kernel.interrupt(by_signal=stock) for _ in range(3 * samples)]
        found["interrupt"] = 1000 * median(interrupts)
        if not stock:
            kernel.restart()
            found["restart"] = 1000 * median(kernel.restart() for _ in range(5))
    found["idle"] = _idle(lab, contender, idle_seconds)
    if contender.key == "stock":
        found |= Stock(lab).life()
    elif contender.key == "asyncio":
        starts, stops = zip(*json.loads(lab.python(_SERVICE, "--cycles", "10")), strict=True)
        found |= {"start": median(starts), "stop": median(stops)}
    elif contender.key in _ALONE:
        found["idle"] -= _idle(lab, _ALONE[contender.key], idle_seconds)
    return found


def _idle(lab: Lab, contender: Contender, seconds: float) -> float:
    with lab.kernel(contender) as kernel:
        if contender not in _ALONE.values():
            kernel.answered()
        _settle(kernel)
        if contender is WINDOW:
            time.sleep(11)  # for ten seconds after a message it looks for the next one often
        family = _family(kernel)
        before = sum(map(_used, family))
        time.sleep(seconds)
        return 100 * (sum(map(_used, family)) - before) / seconds


def _settle(kernel: Kernel) -> None:
    """Wait until two seconds have cost less than a tenth, for a minute at most."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = {process.pid: _used(process) for process in _family(kernel)}
        time.sleep(2)
        after = {process.pid: _used(process) for process in _family(kernel)}
        grown = [used - before[pid] for pid, used in after.items() if pid in before]
        if before.keys() == after.keys() and sum(grown) < 0.2:
            return


def _family(kernel: Kernel) -> list[psutil.Process]:
    root = psutil.Process(kernel.process.pid)
    return [root, *root.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    """Seconds on a processor, to the nanosecond where the system tells it that precisely."""
    try:
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        times = process.cpu_times()
        return float(times.user + times.system)


def summarize(contenders: Sequence[Contender], figures: Figures) -> list[dict[str, Any]]:
    return [
        {
            "key": contender.key,
            "kernel": contender.title,
            **{name: median(found) for name, found in figures[contender.key].items()},
            "rounds": figures[contender.key],
        }
        for contender in contenders
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    head = ["| |", *(f" {row['kernel']} |" for row in rows), " target |"]
    lines = ["".join(head), "|---|" + "---:|" * len(rows) + "---|"]
    for name, (title, target) in _FIGURES.items():
        cells = [_cell(row, rows[0], name, target) for row in rows]
        lines.append(f"| {title} | {' | '.join(cells)} | {target} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any], stock: dict[str, Any], name: str, target: str) -> str:
    if name not in row:
        return ""
    text = f"{row[name]:.2f}" if name == "idle" else f"{row[name]:.0f}"
    if "x stock" in target and row is not stock:
        text += f" ({row[name] / stock[name]:.2f} x)"
    return text


def main() -> None:
    parser = options(__doc__ or "", [contender.key for contender in LIVES])
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument(
        "--samples",
        type=positive,
        default=5,
        help="outputs a round; three times as many interrupts: the machine is noisy",
    )
    parser.add_argument(
        "--count", type=positive, default=30, help="seconds for which an idle kernel is watched"
    )
    arguments = parser.parse_args()
    contenders, left_out = available(arguments.hosts, LIVES)
    figures = measure(contenders, arguments.rounds, arguments.samples, arguments.count)
    rows = summarize(contenders, figures)
    parameters = {
        "rounds": arguments.rounds,
        "samples a round": arguments.samples,
        "idle seconds": arguments.count,
    }
    Report("lifecycle", rows, left_out, parameters).show(arguments, table(rows))


if __name__ == "__main__":
    main()
