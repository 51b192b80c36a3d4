"""Screens that nobody sees, and the windows of a host on one, as their user handles them."""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from support.runs import need, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.runs import Run

_CLIENT_MESSAGE = 33


class _ClientMessage(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 24),
    ]


def window_of(run: Run, title: str = "Blender") -> str:
    """The number of the host's window whose title has this word."""
    command = ["xdotool", "search", "--all", "--pid", str(run.host_pid()), "--name", title]

    def look() -> list[str]:
        found = subprocess.run(command, env=run.env, capture_output=True, text=True, check=False)
        return found.stdout.split()

    return str(wait_for(look, f"a window called {title}")[0])


def press(run: Run, *keys: str, at: tuple[int, int] = (200, 150)) -> None:
    """Press keys with the mouse over that place of the host's window."""
    place = ["mousemove", "--window", window_of(run), *map(str, at)]
    subprocess.run(["xdotool", *place, "key", *keys], env=run.env, check=True)


class Frames:
    """Closes windows as the button in their frame does, where no window manager draws one.

    Made before the application starts, which takes no notice of being closed where nobody has
    ever spoken of it.
    """

    def __init__(self, display: str) -> None:
        self._x11 = ctypes.CDLL("libX11.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._x11.XInternAtom.restype = ctypes.c_ulong
        self._x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self._display = ctypes.c_void_p(self._x11.XOpenDisplay(display.encode()))
        self._protocols = self._x11.XInternAtom(self._display, b"WM_PROTOCOLS", 0)
        self._delete = self._x11.XInternAtom(self._display, b"WM_DELETE_WINDOW", 0)

    def close(self, window: str) -> None:
        """Ask a window to close."""
        number = ctypes.c_ulong(int(window))
        message = _ClientMessage(
            type=_CLIENT_MESSAGE, window=number, message_type=self._protocols, format=32
        )
        message.data[0] = self._delete
        no_mask = ctypes.c_long(0)
        self._x11.XSendEvent(self._display, number, 0, no_mask, ctypes.byref(message))
        self._x11.XFlush(self._display)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._x11.XCloseDisplay(self._display)


@contextmanager
def screen(size: str) -> Iterator[str]:
    """A screen of this size, by its DISPLAY."""
    reader, writer = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writer),
        "-screen",
        "0",
        f"{size}x24",
        "-nolisten",
        "tcp",
        "-noreset",
    ]
    try:
        server = subprocess.Popen(
            command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError:
        os.close(reader)
        need(False, "Xvfb")
    finally:
        os.close(writer)
    with os.fdopen(reader) as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)
