"""An asyncio program that embeds a kernel.

python service.py CONNECTION_FILE     serve it until the program is ended
python service.py --cycles COUNT      start and stop so often; milliseconds of each as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from hostkernel.config.models import Settings
from hostkernel.kernel.manager import HostKernelManager
from hostkernel.plugins import Plugins


def manager(file: Path | None = None) -> HostKernelManager:
    plugins = Plugins.load()
    host = plugins.host_class("python")
    return HostKernelManager(host(host.settings_model()), Settings(), plugins, connection_file=file)


async def serve(file: Path) -> None:
    manager(file).start()
    await asyncio.Event().wait()


async def cycles(count: int) -> None:
    kernel = manager()
    times = []
    for _ in range(count + 1):  # the first imports everything
        began = time.perf_counter()
        kernel.start()
        started = time.perf_counter()
        await asyncio.sleep(0.05)
        stopping = time.perf_counter()
        kernel.stop()
        times.append((1000 * (started - began), 1000 * (time.perf_counter() - stopping)))
        await asyncio.sleep(0.05)
    print(json.dumps(times[1:]))


def main() -> None:
    if sys.argv[1] == "--cycles":
        asyncio.run(cycles(int(sys.argv[2])))
    else:
        asyncio.run(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
