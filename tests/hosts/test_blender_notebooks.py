"""Notebooks as their users publish them: ours give, cell by cell, what stock ipykernel gives.

They lie in ``tests/notebooks_blender`` as Markdown, are run by papermill on stock ipykernel with
the bpy wheel and on ours in three forms of Blender, and say nothing that differs between 3.4
and 5.0. Better is allowed in one way: a result may have a picture where stock has none.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from support.kinds import arguments
from support.runs import need_module
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(140)

SOURCES = sorted((Path(__file__).parent.parent / "notebooks_blender").glob("*.md"))
NAMES = [source.stem for source in SOURCES]
FORMS = ("bpy", "background", "window")
STOCK = "python3"
RUN = """
import sys, papermill
kernel, folder, *names = sys.argv[1:]
for name in names:
    try:
        papermill.execute_notebook(
            f"{name}.ipynb",
            f"{folder}/{name}.ipynb",
            kernel_name=kernel,
            progress_bar=False,
            start_timeout=180,
        )
    except papermill.PapermillExecutionError:
        pass  # Some cells fail on purpose, and are compared as all others are.
"""
# What differs from run to run, or is said by Blender itself on its console.
VARIES = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"0x[0-9a-fA-F]+", "0xID"),
    (r"in \d+\.\d+s", "in TIMEs"),
    (r"/\S*/ipykernel_\d+/\d+\.py", "CELL"),
    (r"/\S*/parts-\w+", "PARTS"),
    (r"(?m)^(CPU times|Wall time): .*$", r"\1"),
    (r"(?m)^(Read blend|Info|OBJ|Progress|Geometry|Writing to|Blender quit).*\n", ""),
    # The log of 5.0, which in stock may come within a line of the cell's.
    (r"\d\d:\d\d\.\d+  [\w.]+ +\|.*\n", ""),
    (r"(?m)^(\d\d:\d\d\.\d+ | +\|).*\n", ""),
)


def notebook(source: Path) -> Any:
    """The notebook in a Markdown file; any cell may fail."""
    cells = []
    parts = re.split(r"^```(?:python)?\n", source.read_text(), flags=re.MULTILINE)
    for number, part in enumerate(parts):
        if number % 2:
            tags = {"tags": ["raises-exception"]}
            cells.append(nbformat.v4.new_code_cell(part.rstrip(), metadata=tags))
        elif part.strip():
            cells.append(nbformat.v4.new_markdown_cell(part.strip()))
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture(scope="module")
def run_all(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Path]]:
    """Run all notebooks in a form of Blender, once; the folder with what they gave."""
    need_module("bpy")
    worlds: dict[str, World] = {}

    def run(form: str) -> Path:
        if form not in worlds:
            worlds[form] = World(tmp_path_factory.mktemp(form))
            _run(worlds[form], form, request)
        return worlds[form].folder / form

    yield run
    for world in worlds.values():
        world.close()


def _run(world: World, form: str, request: pytest.FixtureRequest) -> None:
    for source in SOURCES:
        nbformat.write(notebook(source), world.folder / f"{source.stem}.ipynb")
    (world.folder / form).mkdir()
    env = {"DISPLAY": request.getfixturevalue("display")} if form == "window" else {}
    kernel = STOCK
    if form != STOCK:
        kernel = "hostkernel-blender"
        done = world.run("kernelspec", "install", *arguments(form, world.folder), **env)
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-c", RUN, kernel, form, *NAMES],
        cwd=world.folder,
        env=world.env | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(world.processes()) == []


def cells(folder: Path, name: str) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Each code cell's source, and what it gave."""
    found = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    return [
        (cell.source, list(outputs(cell)))
        for cell in found.cells
        if cell.cell_type == "code" and "raises-exception" in cell.metadata.get("tags", ())
    ]


def outputs(cell: Any) -> Iterator[tuple[str, ...]]:
    """What a cell gave: streams in one piece each, and of the rest what stays the same."""
    streams: dict[str, str] = {}
    for output in cell.outputs:
        if output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        elif output.output_type == "error":
            yield "error", output.ename, plain(output.evalue)
        else:
            pictures = sorted(kind for kind in output.data if kind.startswith("image/"))
            yield output.output_type, plain(output.data.get("text/plain", "")), *pictures
    for name, text in sorted(streams.items()):
        if plain(text).strip():
            yield name, plain(text)


def plain(text: str) -> str:
    for pattern, by in VARIES:
        text = re.sub(pattern, by, text)
    return text


def without_more_pictures(ours: list[tuple[str, ...]], stock: list[tuple[str, ...]]) -> Any:
    """Ours, without pictures of results that stock shows as text only."""
    if len(ours) != len(stock):
        return ours
    return [mine[:2] if len(its) == 2 else mine for mine, its in zip(ours, stock, strict=True)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_published_notebook_gives_what_it_gives_elsewhere(
    run_all: Callable[[str], Path], form: str, name: str
) -> None:
    stock, ours = cells(run_all(STOCK), name), cells(run_all(form), name)
    assert len(stock) == len(ours) > 5
    for (source, expected), (_, found) in zip(stock, ours, strict=True):
        assert without_more_pictures(found, expected) == expected, source
