"""What a cell shows, and what is in a PNG file."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

from support.runs import SECONDS

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

Colour = tuple[int, ...]


class Shown:
    """A cell's reply and the outputs that it made, in order, updates among them."""

    def __init__(self, client: BlockingKernelClient, code: str) -> None:
        self.messages: list[dict[str, Any]] = []
        reply = client.execute_interactive(
            code, output_hook=self.messages.append, timeout=SECONDS, stop_on_error=False
        )
        self.status: str = reply["content"]["status"]

    def texts(self) -> list[str]:
        """The plain text of everything shown, and what was printed."""
        contents = [message["content"] for message in self.messages]
        return [
            content["text"] if "text" in content else content["data"]["text/plain"]
            for content in contents
            if "text" in content or "data" in content
        ]

    def pictures(self) -> list[Picture]:
        """The PNG files in everything shown."""
        bundles = [message["content"].get("data", {}) for message in self.messages]
        return [Picture(bundle["image/png"]) for bundle in bundles if "image/png" in bundle]

    def picture(self) -> Picture:
        """The only one, of a cell that went well."""
        assert self.status == "ok", self.messages
        [picture] = self.pictures()
        return picture


class Picture:
    """A PNG file of eight bits a channel, RGB or RGBA, as base64 text."""

    def __init__(self, text: str) -> None:
        data = base64.b64decode(text)
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        self.width, self.height, depth, kind = struct.unpack(">IIBB", data[16:26])
        assert depth == 8
        self._channels = {2: 3, 6: 4}[kind]
        self._rows = list(self._unfiltered(zlib.decompress(_image_data(data))))

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def at(self, x: float, y: float) -> Colour:
        """Red, green and blue at a place between 0 and 1, from the upper left."""
        column, row = int(x * (self.width - 1)), int(y * (self.height - 1))
        start = column * self._channels
        return tuple(self._rows[row][start : start + 3])

    def colours(self) -> set[Colour]:
        steps = [step / 24 for step in range(25)]
        return {self.at(x, y) for x in steps for y in steps}

    def _unfiltered(self, data: bytes) -> Any:
        stride = self.width * self._channels
        above = bytearray(stride)
        for start in range(0, len(data), stride + 1):
            row = bytearray(data[start + 1 : start + 1 + stride])
            self._unfilter(data[start], row, above)
            above = row
            yield row

    def _unfilter(self, kind: int, row: bytearray, above: bytearray) -> None:
        step = self._channels
        for i, value in enumerate(row):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            guesses = (0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))
            row[i] = (value + guesses[kind]) & 0xFF


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _image_data(data: bytes) -> bytes:
    parts, position = [], 8
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if kind == b"IDAT":
            parts.append(data[position + 8 : position + 8 + length])
        position += length + 12
    return b"".join(parts)
