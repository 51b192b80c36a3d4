"""The windows of a host on its X display, as their user handles them."""

from __future__ import annotations

import ctypes
import subprocess
from typing import TYPE_CHECKING

from hosts.runs import wait_for

if TYPE_CHECKING:
    from hosts.runs import Run

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
    """Press keys with the mouse over that place of the screen."""
    place = ["mousemove", *map(str, at)]
    subprocess.run(["xdotool", *place, "key", *keys], env=run.env, check=True)


def close(run: Run, window: str) -> None:
    """As the button in the window's frame: ask it to close."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    display = ctypes.c_void_p(x11.XOpenDisplay(run.env["DISPLAY"].encode()))
    protocols = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
    delete = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    message = _ClientMessage(
        type=_CLIENT_MESSAGE, window=int(window), message_type=protocols, format=32
    )
    message.data[0] = delete
    x11.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(message))
    x11.XCloseDisplay(display)
