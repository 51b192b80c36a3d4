"""The offsets of fields in Blender's structs. Imported inside Blender only.

Each .blend file ends with a description of the structs of the program that wrote it, the block
``DNA1`` (source/blender/makesdna/intern/dna_genfile.c describes the format). So this module has
Blender write a small file, and reads that block.
"""

from __future__ import annotations

import math
import re
import struct
import tempfile
from functools import cache
from pathlib import Path

import bpy

__all__ = ["offset_of"]

_POINTER = 8
_BLOCK = struct.Struct("<4siQii")  # code, length, address, struct, count
_HEADER = re.compile(rb"BLENDER-v\d{3}")  # pointers of 8 bytes, little endian


@cache
def offset_of(kind: str, field: str) -> int | None:
    """Return the offset of a field in a struct, in bytes, None if it cannot be found.

    Args:
        kind: the struct's name, such as ``"wmWindow"``.
        field: the field's name.
    """
    try:
        return _offset(_Reader(_description(_small_blend())), kind, field)
    except (OSError, RuntimeError, ValueError, IndexError, struct.error):
        return None


def _small_blend() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "small.blend")
        bpy.data.libraries.write(str(file), set())
        return file.read_bytes()


def _description(blend: bytes) -> bytes:
    header = _HEADER.match(blend)
    if header is None:
        raise ValueError(blend[:12])
    place = header.end()
    while True:
        code, length, *_ = _BLOCK.unpack_from(blend, place)
        place += _BLOCK.size
        if code == b"DNA1":
            return blend[place : place + length]
        place += length


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def expect(self, word: bytes) -> None:
        """Skip ``word``, which begins a part at a multiple of four bytes, or raise ValueError."""
        self._place = -(-self._place // 4) * 4
        if self._data[self._place : self._place + 4] != word:
            raise ValueError(word)
        self._place += 4

    def integer(self) -> int:
        (number,) = struct.unpack_from("<i", self._data, self._place)
        self._place += 4
        return int(number)

    def shorts(self, count: int) -> tuple[int, ...]:
        numbers = struct.unpack_from(f"<{count}h", self._data, self._place)
        self._place += 2 * count
        return numbers

    def strings(self) -> list[str]:
        found = []
        for _ in range(self.integer()):
            end = self._data.index(b"\0", self._place)
            found.append(self._data[self._place : end].decode())
            self._place = end + 1
        return found


def _offset(reader: _Reader, kind: str, field: str) -> int | None:
    reader.expect(b"SDNA")
    reader.expect(b"NAME")
    names = reader.strings()
    reader.expect(b"TYPE")
    types = reader.strings()
    reader.expect(b"TLEN")
    sizes = reader.shorts(len(types))
    reader.expect(b"STRC")
    for _ in range(reader.integer()):
        number, count = reader.shorts(2)
        fields = reader.shorts(2 * count)
        if types[number] == kind:
            offset = 0
            for of_type, name in zip(fields[::2], fields[1::2], strict=True):
                if names[name] == field:
                    return offset
                offset += _size(names[name], sizes[of_type])
    return None


def _size(name: str, size: int) -> int:
    lengths = map(int, re.findall(r"\[(\d+)\]", name))
    return math.prod(lengths) * (_POINTER if name.startswith(("*", "(")) else size)
