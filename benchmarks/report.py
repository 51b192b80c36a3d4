"""What the benchmarks print: Markdown, JSON, and the generated blocks of the documentation."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from typing import TYPE_CHECKING, Any

from kernels import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Report", "options", "positive", "spread"]

_PLACES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_PACKAGES = ("hostkernel", "ipykernel", "pyzmq", "PySide6_Essentials", "PyQt6", "PyQt5")


class Report:
    """The result of one run.

    Args:
        name: the benchmark's name, as in the markers of its generated block.
        rows: one for each contender, by column name; numbers as they were measured.
        left_out: why a contender was not measured, by title.
        parameters: what was asked for.
    """

    def __init__(
        self,
        name: str,
        rows: Sequence[Mapping[str, Any]],
        left_out: Mapping[str, str],
        parameters: Mapping[str, int],
    ) -> None:
        self.name = name
        self.rows = rows
        self.left_out = left_out
        self.parameters = parameters

    def json(self) -> str:
        """For programs."""
        content = {
            "benchmark": self.name,
            **self.parameters,
            "facts": _facts(),
            "left_out": self.left_out,
            "rows": self.rows,
        }
        return json.dumps(content, indent=2)

    def markdown(self, tables: Sequence[str]) -> str:
        """``tables``, with what is left out and the facts of this machine below."""
        facts = ", ".join(f"{name} {value}" for name, value in _facts().items())
        notes = [f"Not measured: {title} ({why})." for title, why in self.left_out.items()]
        parameters = ", ".join(f"{value} {name}" for name, value in self.parameters.items())
        return "\n\n".join([*tables, *notes, f"Measured: {parameters}; {facts}."])

    def show(self, arguments: argparse.Namespace, *tables: str) -> None:
        """Print, and write the generated blocks, as the command line asks."""
        text = self.markdown([table for table in tables if table])
        print(self.json() if arguments.json else text)
        if arguments.write:
            self._write(text)

    def _write(self, text: str) -> None:
        block = re.compile(
            rf"(<!-- benchmark: {self.name} -->\n).*?(<!-- /benchmark -->)", re.DOTALL
        )
        for place in _PLACES:
            if place.exists():
                old = place.read_text(encoding="utf-8")
                new = block.sub(lambda found: f"{found[1]}{text}\n{found[2]}", old)
                place.write_text(new, encoding="utf-8")


def options(description: str, keys: Sequence[str]) -> argparse.ArgumentParser:
    """The options that the benchmarks share.

    Args:
        description: of the benchmark.
        keys: the contenders that ``--hosts`` may name; stock is always measured.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--hosts", nargs="*", choices=keys, default=keys, help="only these; stock is always there"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument(
        "--write", action="store_true", help="also write the tables into README and docs"
    )
    return parser


def positive(text: str) -> int:
    """An option's value that says how many."""
    if not text.isdecimal() or int(text) == 0:
        message = f"expected a number, 1 or more, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def spread(values: Sequence[float], digits: int) -> str:
    """The lowest and the highest."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _facts() -> dict[str, str]:
    """What the figures depend on; nothing that names the machine or its user."""
    found = {name: _version(name) for name in _PACKAGES}
    return {
        "cores": str(os.cpu_count()),
        platform.system(): platform.machine(),
        platform.python_implementation(): platform.python_version(),
        **{name: version for name, version in found.items() if version},
        **_blender(),
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _blender() -> dict[str, str]:
    try:
        done = subprocess.run(["blender", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"Blender": done.stdout.split(maxsplit=2)[1]}
