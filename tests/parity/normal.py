"""What a client received, without what differs from one process to another."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .recording import Received

__all__ = ["lines"]

# In this order: what stands first may be part of what follows.
_PATTERNS = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"ipykernel_\d+", "ipykernel_PID"),
        (r"(?<=ipykernel_PID/)\d+(?=\.py)", "CELL"),
        (r"0x[0-9a-fA-F]{6,}", "0xADDRESS"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
        (r"[0-9a-f]{8}-[0-9a-f]{24}(_\d+_\d+)?", "SESSION"),
        (r"[0-9a-f]{32}", "UUID"),
        (r"kernel-[\w-]+\.json", "kernel-ID.json"),
        (r"\d+(\.\d+)?(e[-+]\d+)? ?(ns|[µμ]s|us|ms|s|seconds)\b", "TIME"),
        (r"(?<=pid=)\d+|(?<=\[pid )\d+", "PID"),
        # How many of the kernel's own frames a debugger passes by.
        (r"( {4}\[\.\.\. skipp(ing|ed) \d+ hidden frame\(s\)\](\\x1b\[\d*m|\\n)*)+", "HIDDEN "),
        (r"\(\d+ times\)", "(N times)"),
        (r"(?<=Task-)\d+", "N"),
        (r"(?<=TimerHandle when=)[\d.]+", "TIME"),
        (r"(?<=/ipython_edit_)\w+", "ID"),
    )
)
_KERNELS_OWN = re.compile(r"File .*/site-packages/ipykernel/")
_IGNORED = ("engine_info",)  # names the process


def lines(received: Received, folder: Path) -> tuple[str, ...]:
    """The lines of a recording, each of them a message or a reply."""
    texts = (line for number in range(received.count) for line in _of_cell(received, number))
    elsewhere = _messages(received.elsewhere)
    every = (*texts, *(f"of no cell: {line}" for line in elsewhere))
    return tuple(_clean(text, str(folder)) for text in every)


def _of_cell(received: Received, number: int) -> Iterator[str]:
    messages = received.messages[number]
    if number in received.late:  # before or after the cell's end
        messages = sorted(messages, key=_is_idle)
    for line in _messages(messages):
        yield f"[{number + 1}] {line}"
    for question in received.questions[number]:
        yield f"[{number + 1}] asked {_text(question)}"
    errors = [one["content"] for one in received.messages[number] if one["msg_type"] == "error"]
    reply = received.replies.get(number, {"status": "none came"})
    if errors and reply.get("traceback") == errors[-1]["traceback"]:
        reply = {**reply, "traceback": "as published"}
    for line in _content({name: reply[name] for name in reply if name not in _IGNORED}):
        yield f"[{number + 1}] reply {line}"


def _is_idle(message: dict[str, Any]) -> bool:
    return bool(message["content"].get("execution_state") == "idle")


def _content(content: dict[str, Any]) -> Iterator[str]:
    for name, value in sorted(content.items()):
        if name == "traceback" and isinstance(value, list):
            # The stock kernel shows frames of its own where ours are taken out.
            entries = (entry for entry in value if not _KERNELS_OWN.search(entry))
            yield from (repr(_plain(line)) for entry in entries for line in entry.split("\n"))
        else:
            yield f"{name}: {_text(value)}"


def _plain(text: str) -> str:
    """Without colours: which part of a line is highlighted depends on what else is imported."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def _messages(messages: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Each message as a line.

    A stream's text is put together up to the next message that is no stream: how it is cut into
    messages, and which of stdout and stderr is flushed first, is up to the stock kernel's timer.
    """
    streams: dict[str, str] = {}
    for message in messages:
        content = message["content"]
        if message["msg_type"] == "stream":
            streams[content["name"]] = streams.get(content["name"], "") + content["text"]
            continue
        yield from _streams(streams)
        streams = {}
        if message["msg_type"] == "error":
            yield from (f"error {line}" for line in _content(content))
        else:
            yield f"{message['msg_type']} {_text(content)}{_buffers(message)}"
    yield from _streams(streams)


def _streams(streams: dict[str, str]) -> Iterator[str]:
    for name, text in sorted(streams.items(), reverse=True):
        yield f"{name} {text!r}"


def _buffers(message: dict[str, Any]) -> str:
    sizes = [len(buffer) for buffer in message.get("buffers") or ()]
    return f" with buffers of {sizes} bytes" if sizes else ""


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)


def _clean(text: str, folder: str) -> str:
    text = text.replace(folder, "FOLDER")
    for pattern, to in _PATTERNS:
        text = pattern.sub(to, text)
    return text
