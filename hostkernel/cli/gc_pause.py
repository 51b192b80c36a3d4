"""Start quickly: collect no garbage while modules are imported, because there is none.

Collecting would take a tenth of the start of a kernel in this process.
"""

from __future__ import annotations

import gc

__all__ = ["begin", "end"]


def begin() -> None:
    """Stop collecting: from here on modules are imported."""
    gc.disable()


def end() -> None:
    """Collect again: user code runs now, or the process waits. Freeze all objects: they stay."""
    gc.freeze()
    gc.enable()
