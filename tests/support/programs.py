"""Host programs of the tests: processes of their own that print what they saw as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from support.runs import SECONDS, Run, wait_for

if TYPE_CHECKING:
    from pathlib import Path

# What every program begins with. ``drive`` runs cells from another process, as a client would,
# and gives what that client saw.
PRELUDE = '''
import asyncio, json, logging, os, queue, subprocess, sys, threading, time

CLIENT = """
import json, sys
from jupyter_client.blocking.client import BlockingKernelClient
client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
seen = []
for code in sys.argv[2:]:
    texts = []
    def hook(message):
        content = message["content"]
        texts.append(content.get("text") or content.get("data", {}).get("text/plain") or "")
    reply = client.execute_interactive(code, timeout=60, output_hook=hook)["content"]
    seen.append([reply["status"], reply.get("ename"), "".join(texts)])
print(json.dumps(seen))
client.stop_channels()
"""

def begin(kernel, *cells):
    command = [sys.executable, "-c", CLIENT, str(kernel.connection_file), *cells]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

def finish(client):
    output, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    return json.loads(output)

def drive(kernel, *cells):
    return finish(begin(kernel, *cells))

def tell(**facts):
    print("TOLD " + json.dumps(facts), flush=True)

import hostkernel
'''


class Program(Run):
    """A program with a home of its own that may embed a kernel."""

    command = (sys.executable, "-W", "error", "-X", "dev")

    def __init__(self, folder: Path, source: str, **env: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "program.py").write_text(PRELUDE + source)
        super().__init__(folder, "program.py", PYDEVD_DISABLE_FILE_VALIDATION="1", **env)

    def told(self) -> dict[str, Any]:
        """All that the program told, once it has ended well."""
        wait_for(lambda: self.process.poll() is not None, "the program's end", SECONDS)
        assert self.process.returncode == 0, self.output
        facts: dict[str, Any] = {}
        for line in self.output.splitlines():
            if line.startswith("TOLD "):
                facts |= json.loads(line[5:])
        return facts
