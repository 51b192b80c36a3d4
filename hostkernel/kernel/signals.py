"""Signal actions at C level, which :mod:`signal` cannot see.

A handler that an application installed from C is invisible to ``signal.getsignal`` (it gives
a stale value, or None), and cannot be put back with ``signal.signal``. sigaction(2) can.
POSIX only.
"""

from __future__ import annotations

import ctypes
import signal

__all__ = ["action", "is_default", "restore"]

# Larger than struct sigaction of any platform; its first field is the handler.
_SIZE = 512


def action(signum: int) -> bytes:
    """The C-level action of a signal, opaque but comparable, for :func:`restore`."""
    buffer = ctypes.create_string_buffer(_SIZE)
    if ctypes.CDLL(None).sigaction(signum, None, buffer) != 0:
        message = f"signal {signum} has no action to read"
        raise OSError(message)
    return buffer.raw


def restore(signum: int, saved: bytes) -> None:
    """Put an action from :func:`action` back."""
    ctypes.CDLL(None).sigaction(signum, ctypes.create_string_buffer(saved, _SIZE), None)


def is_default(signum: int) -> bool:
    """Whether nobody, in Python or C, handles or ignores the signal."""
    handler = ctypes.c_void_p.from_buffer_copy(action(signum)[: ctypes.sizeof(ctypes.c_void_p)])
    return (handler.value or 0) == int(signal.SIG_DFL)
