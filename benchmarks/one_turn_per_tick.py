"""For comparison: ipykernel as it is, its loop turned once by each tick of a host's 1 ms timer.

Usage: python one_turn_per_tick.py CONNECTION_FILE
"""

from __future__ import annotations

import sys
import time

from ipykernel.kernelapp import IPKernelApp


def main(connection_file: str) -> None:
    app = IPKernelApp.instance()
    app.initialize(["-f", connection_file])
    app.kernel.start()
    loop = app.kernel.io_loop.asyncio_loop
    while True:
        time.sleep(0.001)
        loop.call_soon(loop.stop)
        loop.run_forever()


if __name__ == "__main__":
    main(sys.argv[1])
