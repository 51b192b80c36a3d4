"""Kernelspecs, and the Jupyter that reads them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostkernel.host import Finding
from hostkernel.jupyter.kernelspecs import PROVISIONER, installed

from .environment import pip_install

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hostkernel.jupyter.kernelspecs import Installed

__all__ = ["kernelspecs", "on_path", "program"]

_SECONDS = 20.0
_OLDEST = 7  # the first jupyter_client with provisioners
_ASK = f"""
import json
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
entries = metadata.entry_points()
group = "jupyter_client.kernel_provisioners"
found = entries.select(group=group) if hasattr(entries, "select") else entries.get(group, ())
names = [entry.name for entry in found]
versions = {{name: version(name) for name in ("jupyter_client", "jupyter_server", "notebook")}}
print(json.dumps({{"versions": versions, "provisioner": {PROVISIONER!r} in names}}))
"""


def kernelspecs(hosts: Collection[str]) -> Iterator[Finding]:
    """Find the kernelspecs that can no longer start anything."""
    for spec in installed():
        remove = f"hostkernel kernelspec remove {spec.name}"
        again = f"{remove} && hostkernel kernelspec install {_like(spec)}"
        if not spec.python_is_there:
            yield Finding(f"{spec.name} points to a Python that is gone: {spec.python}", again)
        elif not _has_hostkernel(spec.python):
            problem = f"{spec.name} points to {spec.python}, and hostkernel is not there any more"
            yield Finding(problem, f"{pip_install('hostkernel', spec.python)}, or {again}")
        elif spec.host is not None and spec.host not in hosts and spec.python == sys.executable:
            problem = f"{spec.name} is for the host {spec.host}, and no plugin brings it"
            yield Finding(problem, f"{remove}, or install the plugin")


def _like(spec: Installed) -> str:
    if spec.host is None:
        return "--attach"
    return f"--host {spec.host}" + (" --attach" if spec.name.endswith("-attach") else "")


def _has_hostkernel(python: str) -> bool:
    if python == sys.executable:
        return True
    look = "import importlib.util as u, sys; sys.exit(u.find_spec('hostkernel') is None)"
    return _run([python, "-c", look]).returncode == 0


def program() -> str | None:
    """The ``jupyter`` on PATH."""
    return shutil.which("jupyter")


def on_path() -> Iterator[Finding]:
    """Check that the Jupyter on PATH can use hostkernel's kernelspecs."""
    python = _python_of(program())
    if python is None or not Path(python).exists():
        return
    found = _ask(python)
    if found is None:
        return
    client = found["versions"]["jupyter_client"]
    if client is None:
        return
    if int(client.split(".")[0]) < _OLDEST:
        problem = (
            f"jupyter_client {client} of {python} knows no provisioners, which came with "
            f"{_OLDEST}.0: there every kernelspec starts its own command line"
        )
        yield Finding(problem, f"{pip_install('jupyter_client', python)} --upgrade")
    elif not found["provisioner"]:
        problem = f"the Jupyter of {python} cannot use hostkernel's kernelspecs without hostkernel"
        yield Finding(problem, pip_install("hostkernel", python))


def _python_of(script: str | None) -> str | None:
    """The Python that runs a script, according to the script's first lines."""
    if script is None:
        return None
    with Path(script).open("rb") as stream:
        start = stream.read(1024).decode(errors="replace")
    found = re.match(r"#!(?:/bin/sh\n'''exec' )?\"?(/[^\n\"]*?python[\w.]*)", start)
    return found[1] if found else None


def _ask(python: str) -> dict[str, Any] | None:
    done = _run([python, "-c", _ASK])
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return answer


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 1, "", "")
