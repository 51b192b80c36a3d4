"""Why a kernel cannot run in this process, whatever the adapter says."""

from __future__ import annotations

import sys

__all__ = ["why_not_here"]

# The kernel's threads, sockets and event loops need these without monkey-patches.
_NEEDED = {
    "gevent.monkey": ("is_module_patched", ("threading", "socket", "select", "selectors")),
    "eventlet.patcher": ("is_monkey_patched", ("thread", "socket", "select")),
}
_CURES = {
    "gevent.monkey": "monkey.patch_all(thread=False, socket=False, select=False)",
    "eventlet.patcher": "monkey_patch(thread=False, socket=False, select=False)",
}


def why_not_here() -> str | None:
    """Return a reason not to start, with its cure, or None; import nothing."""
    for name, (ask, needed) in _NEEDED.items():
        module = sys.modules.get(name)
        patched = [] if module is None else [part for part in needed if getattr(module, ask)(part)]
        if patched:
            library = name.partition(".")[0]
            return (
                f"{library} has patched Python's {', '.join(patched)} in this process, where "
                f"the kernel's threads would wait for ever; patch with {_CURES[name]}"
            )
    return None
