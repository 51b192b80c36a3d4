"""A Qt program that is an asyncio program: the kernel joins the loop that runs there."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest
from support.live import busy, control, finish, value
from support.runs import Run, need, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow(10)

COUNT = 3
PROGRAM = f"""
import asyncio, threading
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
import qasync
import hostkernel

beats = 0

def beat():
    global beats
    beats += 1

async def main():
    pulse = QTimer()
    pulse.timeout.connect(beat)
    pulse.start(5)
    loop = asyncio.get_running_loop()
    for number in range({COUNT}):
        kernel = hostkernel.start()
        print("mode", kernel.mode, "host", kernel.host.name, flush=True)
        while not Path(f"stop{{number}}").exists():
            await asyncio.sleep(0.02)
        print("left", kernel.stop().left, flush=True)
        assert asyncio.get_running_loop() is loop
    before = beats
    await asyncio.sleep(0.2)
    print("goes on", beats > before, [thread.name for thread in threading.enumerate()])

app = QApplication([])
qasync.run(main())
"""
ALIVE = """
import asyncio, __main__
before = __main__.beats
while __main__.beats < before + 5:
    await asyncio.sleep(0.01)
"""


class Plain(Run):
    """A program that was started without hostkernel."""

    command = (sys.executable,)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Plain]:
    need(importlib.util.find_spec("qasync"), "qasync")
    (tmp_path / "program.py").write_text(PROGRAM)
    run = Plain(tmp_path, "program.py", QT_QPA_PLATFORM="offscreen", QT_API="PySide6")
    yield run
    run.close()


def test_kernels_in_a_program_on_qasync(program: Plain) -> None:
    for number in range(COUNT):
        file = program.file()
        client = program.client()
        value(client, ALIVE)
        for code in ("while True: pass", "import time; time.sleep(100)"):
            request = busy(client, f"print('started', flush=True)\n{code}")
            control(client, "interrupt_request")
            assert finish(client, request).ename == "KeyboardInterrupt"
        value(client, "exit()")
        control(client, "shutdown_request", restart=False)
        value(client, ALIVE)
        client.stop_channels()
        (program.folder / f"stop{number}").touch()
        wait_for(lambda: not file.exists(), f"the end of kernel {number}")  # noqa: B023
    assert program.end() == 0, program.output
    said = program.output
    assert said.count("mode shared host qt") == COUNT
    assert said.count("left ()") == COUNT
    assert "goes on True ['MainThread']" in said
    assert "Traceback" not in said
