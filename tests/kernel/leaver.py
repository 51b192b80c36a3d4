"""A client that goes in the middle of something: ``python leaver.py FILE``; waits to be killed."""

from __future__ import annotations

import sys
import time

from jupyter_client.blocking.client import BlockingKernelClient


def main() -> None:
    client = BlockingKernelClient(connection_file=sys.argv[1])
    client.load_connection_file()
    client.start_channels(hb=False)
    for number in range(20):
        client.execute(f"import time; time.sleep(0.05); {number}", stop_on_error=False)
    while client.get_iopub_msg(timeout=60)["msg_type"] != "execute_input":
        pass
    print("due", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
