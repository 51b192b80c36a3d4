"""Start quickly: no garbage is collected while modules are imported, for there is none.

Collecting costs a kernel that starts in this process a tenth of its time.
"""

from __future__ import annotations

import gc

__all__ = ["begin", "end"]


def begin() -> None:
    """From here on modules are imported."""
    gc.disable()


def end() -> None:
    """From here on the user's code runs, or we wait; what there is now is here to stay."""
    gc.freeze()
    gc.enable()
