"""Hooks of MkDocs: the pages of the site that are not files in ``docs``.

GitHub shows README.md and its like where they are, so links are written for GitHub. They are
adapted to the site while a page is built.
"""

from __future__ import annotations

import importlib
import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "https://github.com/hostkernel/hostkernel/blob/main"
MARKDOWN = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages of the site by the file that GitHub shows in their place."""

API = (
    "hostkernel",
    "hostkernel.host",
    "hostkernel.hookspecs",
    "hostkernel.loading",
    "hostkernel.errors",
)
LINKS = {**MARKDOWN, "hostkernel/host/adapter.py": "api/hostkernel.host.md#hostkernel.host.Host"}
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")

log = logging.getLogger("mkdocs.hooks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the logo."""
    for source, uri in MARKDOWN.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    for module in API:
        files.append(File.generated(config, f"api/{module}.md", content=api(module)))
    logo = ROOT / "hostkernel" / "jupyter" / "logo.svg"
    files.append(File.generated(config, "images/logo.svg", abs_src_path=str(logo)))
    return files


def api(module: str) -> str:
    """The page of a public module, for mkdocstrings; each object is on one page only."""
    others = (other for other in API[1:] if other != module)
    homes = {name: other for other in others for name in public(other)}
    own = ", ".join(name for name in public(module) if name not in homes)
    text = f"# {module}\n\n::: {module}\n    options:\n      members: [{own}]\n"
    links = [f"[`{name}`][{homes[name]}.{name}]" for name in public(module) if name in homes]
    if links:
        text += f"\n## Described elsewhere\n\nThe module also has {', '.join(links)}.\n"
    return text


def public(module: str) -> Sequence[str]:
    """The names that a public module has for its users."""
    loaded = importlib.import_module(module)
    hooks = [name for name in vars(loaded) if name.startswith("hostkernel_")]
    return ["hookimpl", *hooks] if hooks else loaded.__all__


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Adapt the relative links, also to files outside of the site, and bars in tables."""
    uri = page.file.src_uri
    sources = {place: source for source, place in MARKDOWN.items()}
    folder = posixpath.dirname(sources.get(uri, f"docs/{uri}"))

    def adapted(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        if target in LINKS:
            return f"]({LINKS[target]}"
        if target.startswith("docs/"):
            return f"]({target.removeprefix('docs/')}"
        if not (ROOT / target).exists():
            log.warning("%s links to %s, which does not exist", uri, target)
        return f"]({SOURCE}/{target}"

    # In a table GitHub wants each bar escaped; Python-Markdown shows a backslash within code.
    markdown = CODE.sub(lambda code: code[0].replace(r"\|", "|"), markdown)
    return LINK.sub(adapted, markdown)
