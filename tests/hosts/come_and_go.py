"""Kernels come and go inside a host; what is different then goes to the file ``told.json``.

Run inside by path, by the host's own way to run a script: ``come_and_go.py KIND COUNT``. A kernel
stops as soon as there is a file ``stop0``, ``stop1`` and so on.
"""

from __future__ import annotations

import json
import logging
import os
import site
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIND, COUNT = sys.argv[-2], int(sys.argv[-1])


def reach(folders: list[str]) -> None:
    """Make packages importable, before the host's own."""
    before = list(sys.path)
    for folder in folders:
        site.addsitedir(folder)
    sys.path[:] = [path for path in sys.path if path not in before] + before


reach(json.loads(os.environ["FOLDERS"]))
if KIND == "bpy":
    import bpy  # noqa: F401  (now the kernel's host is Blender)
if KIND == "qt":
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

from ledger import Ledger  # noqa: E402

import hostkernel.kernel.manager  # noqa: E402  (IPython leaves a filter of warnings)


class Console:
    """A host's own stream: no file, no buffer, nothing that Jupyter expects."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def flush(self) -> None:
        """Without it Python itself ends with a failure."""


def own_excepthook(*error: Any) -> None:
    told["excepthook"] = repr(error)


told: dict[str, Any] = {"left": []}
console = Console()
before: list[Ledger] = []


def furnish() -> None:
    """The host has things of its own, and no kernel has been there."""
    sys.stdout = console  # type: ignore[assignment]
    sys.excepthook = own_excepthook
    logging.getLogger("own").addHandler(logging.StreamHandler(console))
    before.append(Ledger())


def served() -> None:
    """Cycles in a host without a loop."""
    furnish()
    for number in range(COUNT):
        thread = threading.Thread(target=stop_it, args=(number,))
        thread.start()
        hostkernel.serve()
        thread.join()


def stop_it(number: int) -> None:
    while not Path(f"stop{number}").exists():
        time.sleep(0.02)
    kernel = hostkernel.current()
    assert kernel is not None
    told["left"] += kernel.stop().left


def pumped() -> Iterator[None]:
    """Cycles in a host whose loop goes on to the next step whenever it likes."""
    for _ in range(20):  # a window is drawn for the first time, which can take long
        yield
    furnish()
    for number in range(COUNT):
        kernel = hostkernel.start()
        while not Path(f"stop{number}").exists():
            yield
        told["left"] += kernel.stop().left
        for _ in range(20):
            yield


def tell() -> None:
    """Compare, and say so."""
    found = before[0].differences()
    # An application has threads in C of its own, which come and go.
    told["differences"] = [
        each for each in found if KIND == "python" or not each.startswith("native threads")
    ]
    logging.getLogger("own").error("still there")
    print("to the console")
    told["console"] = "".join(console.written)
    Path("telling").write_text(json.dumps(told))
    Path("telling").rename("told.json")


def in_steps(end: Callable[[], object]) -> Callable[[], float | None]:
    """A timer's function that goes through the cycles; seconds until its next call."""
    steps = pumped()

    def step() -> float | None:
        try:
            next(steps)
        except StopIteration:
            tell()
            end()
            return None
        return 0.01

    return step


def in_qt() -> None:
    app = QApplication([])
    app.setQuitOnLastWindowClosed(False)
    timer = QTimer()
    timer.timeout.connect(in_steps(app.quit))
    timer.start(10)
    app.exec()


def in_window() -> None:
    import bpy

    bpy.app.timers.register(in_steps(bpy.ops.wm.quit_blender), persistent=True)


if KIND == "qt":
    in_qt()
elif KIND == "window":
    in_window()
else:
    served()
    tell()
