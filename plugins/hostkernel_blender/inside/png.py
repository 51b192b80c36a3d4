"""Pixels as a PNG file's bytes. Inside or outside, any thread."""

from __future__ import annotations

import struct
import zlib

__all__ = ["png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUECOLOUR_ALPHA = 6


def png(width: int, height: int, rgba: bytes) -> bytes:
    """Return pixels of four bytes each as a PNG file.

    Args:
        width: in pixels.
        height: in pixels.
        rgba: the rows from the bottom up, as Blender stores them.
    """
    stride = 4 * width
    rows = (rgba[start : start + stride] for start in range(stride * (height - 1), -1, -stride))
    unfiltered = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, _TRUECOLOUR_ALPHA, 0, 0, 0)
    data = zlib.compress(unfiltered, 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
