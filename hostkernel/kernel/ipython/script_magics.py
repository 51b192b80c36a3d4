"""The cleanup of what IPython's script magics, such as ``%%bash``, leave in the process."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from hostkernel.kernel.base.clock import monotonic, sleep

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["end_scripts"]

_PATIENCE = 1.0  # seconds that the magics' thread gets to leave its loop
_LOOK = 0.002


def end_scripts(shell: InteractiveShell) -> None:
    """End the scripts in the background and the thread that started them.

    A stock kernel leaves both running until its process ends.
    """
    magics: Any = shell.magics_manager.registry.get("ScriptMagics")
    if magics is None:
        return
    magics.kill_bg_processes()
    # It registered itself when the first script made it, outside of any recording.
    atexit.unregister(magics.kill_bg_processes)
    if magics.event_loop is None:
        return
    if hasattr(magics, "stop_event_loop"):  # since IPython 9.15
        magics.stop_event_loop()
    else:
        _end_loop(magics)


def _end_loop(magics: Any) -> None:
    loop, magics.event_loop = magics.event_loop, None
    loop.call_soon_threadsafe(loop.stop)
    deadline = monotonic() + _PATIENCE
    while loop.is_running() and monotonic() < deadline:
        sleep(_LOOK)
    if not loop.is_running():
        loop.close()
