"""Connection files whose folder is named relative to the working directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("given", [False, True])
def test_the_program_may_go_elsewhere(told: Callable[..., dict[str, Any]], given: bool) -> None:
    facts = told(
        f"""
from pathlib import Path
from hostkernel import HostKernelManager
from hostkernel.kernel import _manager

os.mkdir("elsewhere")
manager = _manager("python", None, ())
if {given}:
    os.mkdir("here", 0o700)
    manager = HostKernelManager(
        manager.host, manager.settings, manager.plugins,
        connection_file=Path("here/kernel-given.json"),
    )
manager.start()
file = manager.connection_file
there = file.is_absolute() and file.exists()
os.chdir("elsewhere")
seen = drive(manager, "6 * 7")
manager.stop()
tell(there=there, seen=seen, left=file.exists())
""",
        JUPYTER_RUNTIME_DIR="relative",
    )
    assert facts == {"there": True, "seen": [["ok", None, "42"]], "left": False}
