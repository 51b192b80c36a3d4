"""Outside: start a host for a Jupyter server, so that it can outlive the server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import uuid
from typing import TYPE_CHECKING

from hostkernel.connection import connection_file_name
from hostkernel.errors import HostkernelError
from hostkernel.registry import RunningKernel, find, runtime_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["CONNECTION_FILE", "start"]

CONNECTION_FILE = "{connection_file}"
_POLL = 0.05


async def start(argv: Sequence[str], env: Mapping[str, str], cwd: Path | str) -> RunningKernel:
    """Start a host by its kernelspec's command line, and wait until its kernel is up.

    The connection file is hostkernel's, not one that the server writes and removes, and the host
    is not a child of the server: both may outlive the server.

    Args:
        argv: ends in ``run`` and its options, which include ``-f`` and :data:`CONNECTION_FILE`.
        env: the whole environment.
        cwd: the host's working directory.

    Raises:
        HostkernelError: the host did not start; has the message of ``hostkernel run``.
    """
    file = runtime_directory() / connection_file_name(str(uuid.uuid4()))
    process = subprocess.Popen(
        _command(argv, file),
        env={**env, "JPY_PARENT_PID": str(os.getpid())},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    said = await _end_of(process)
    if process.returncode:
        raise HostkernelError(said.strip().removeprefix("hostkernel: "))
    return find(str(file))


def _command(argv: Sequence[str], file: Path) -> list[str]:
    option = argv.index("-f")
    command = [*argv[:option], "--detach", *argv[option:]]
    return [word.replace(CONNECTION_FILE, str(file)) for word in command]


async def _end_of(process: subprocess.Popen[str]) -> str:
    try:
        _, said = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.terminate()
        raise
    return said
