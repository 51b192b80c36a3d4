"""Signal actions at C level, which :mod:`signal` cannot see.

A handler that an application installed from C is invisible to ``signal.getsignal`` (which
returns a stale value, or None), and ``signal.signal`` cannot put it back. sigaction(2) can.
Systems other than POSIX lack this level: actions are empty, and restoring does nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["action", "is_default", "is_like", "restore"]

# Larger than struct sigaction of any platform; its first field is the handler.
_SIZE = 512
_SA_RESTORER = 0x04000000


class _LinuxAction(ctypes.Structure):
    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * (128 // ctypes.sizeof(ctypes.c_ulong))),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def action(signum: int) -> bytes:
    """The C-level action of a signal, opaque but comparable, for :func:`restore`."""
    if os.name != "posix":
        return b""
    buffer = ctypes.create_string_buffer(_SIZE)
    if ctypes.CDLL(None).sigaction(signum, None, buffer) != 0:
        message = f"signal {signum} has no action to read"
        raise OSError(message)
    if sys.platform == "linux":
        _drop_noise(_LinuxAction.from_buffer(buffer))
    return buffer.raw


def _drop_noise(found: _LinuxAction) -> None:
    # The C library fills 8 of the mask's 128 bytes; the rest is what was on the stack. The
    # restorer is the C library's own, which it sets with any action.
    filled = 8 // ctypes.sizeof(ctypes.c_ulong)
    found.mask[filled:] = (0,) * (len(found.mask) - filled)
    found.flags &= ~_SA_RESTORER
    found.restorer = None


def restore(signum: int, saved: bytes) -> None:
    """Put an action from :func:`action` back."""
    if saved:
        ctypes.CDLL(None).sigaction(signum, ctypes.create_string_buffer(saved, _SIZE), None)


def is_default(signum: int) -> bool:
    """Whether nobody, in Python or C, handles or ignores the signal."""
    found = action(signum)
    if not found:
        return signal.getsignal(signum) == signal.SIG_DFL
    return _handler(found) == int(signal.SIG_DFL)


def is_like(signum: int, saved: bytes) -> bool:
    """Whether the signal has the same C handler as ``saved``, from :func:`action`."""
    found = action(signum)
    return not found or _handler(found) == _handler(saved)


def _handler(saved: bytes) -> int:
    size = ctypes.sizeof(ctypes.c_void_p)
    return ctypes.c_void_p.from_buffer_copy(saved[:size]).value or 0
