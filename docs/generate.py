"""Write what is generated from the settings' docstrings: run it when one has changed.

    python docs/generate.py

It rewrites hostkernel.toml, and the table in docs/configuration.md that stands between
``<!-- settings -->`` and ``<!-- /settings -->``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hostkernel.config import render
from hostkernel.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostkernel.host import Host

ROOT = Path(__file__).resolve().parent.parent
BETWEEN = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def documents() -> Iterator[tuple[Path, str]]:
    """Each file that has generated parts, and what it should be."""
    hosts = bundled_hosts()
    yield ROOT / "hostkernel.toml", render.sample(hosts)
    table = render.markdown(hosts)
    file = ROOT / "docs" / "configuration.md"
    text = file.read_text(encoding="utf-8")
    yield file, BETWEEN.sub(lambda found: found[1] + table + found[2], text)


def bundled_hosts() -> dict[str, type[Host]]:
    """The hosts of hostkernel's own plugins, whatever else is installed."""
    plugins = Plugins.load()
    ours = [info for info in plugins.loaded if info.distribution == "hostkernel"]
    return {name: plugins.hosts[name] for info in ours for name in info.hosts}


if __name__ == "__main__":
    for file, text in documents():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
