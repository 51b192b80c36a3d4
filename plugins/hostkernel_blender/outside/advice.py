"""Outside: what to do about a Blender that did not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .find import NEWER, is_too_old

if TYPE_CHECKING:
    from hostkernel.errors import LaunchError

__all__ = ["NO_DISPLAY", "advice"]

NO_DISPLAY = (
    "Start it without a window: --set hosts.blender.background=true, or under Xvfb: "
    "xvfb-run -a hostkernel run --host blender"
)
_CRASHED = (
    "Blender itself crashed. See whether it does so without your preferences and add-ons "
    "(--set hosts.blender.factory_startup=true), and without a window, whose drawing needs the "
    "graphics driver (--set hosts.blender.background=true)."
)
# Messages of older and newer Blenders; the last is of the module that looks for a driver.
_SIGNS_OF_NO_DISPLAY = (
    "failed to initialize display",
    "unable to initialize, exiting",
    "unable to open a display",
    "cannot open display",
)
# A wrapper script turns a signal into a status: 128 plus SIGABRT or SIGSEGV.
_BY_A_SIGNAL = frozenset({134, 139})


def advice(error: LaunchError) -> str | None:
    """What the user can do, None if that is unknown."""
    if is_too_old(error.python):
        return NEWER
    said = "\n".join(error.output).lower()
    if any(sign in said for sign in _SIGNS_OF_NO_DISPLAY):
        return NO_DISPLAY
    if error.status is not None and (error.status < 0 or error.status in _BY_A_SIGNAL):
        return _CRASHED
    return None
