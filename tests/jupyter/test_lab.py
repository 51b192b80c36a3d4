"""JupyterLab in Chromium, on a Blender window that its user has open."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import psutil
import pytest
from support.browser import By, Keys, Lab
from support.kinds import cheap_window
from support.runs import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.notebooks import Server
    from support.world import World

pytestmark = pytest.mark.slow(60)

PICTURES = os.environ.get("HOSTKERNEL_TEST_PICTURES")
ADD, PICTURE, PROGRESS, COMPLETE, SLIDER, ENDLESS, SCENE = range(7)
CELLS = (
    """bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 2))
monkey = D.objects['Suzanne']
print('added', monkey.name)""",
    "%viewport 480x270",
    """from ipywidgets import IntProgress
bar = IntProgress(max=5)
display(bar)
for bar.value in range(1, 6): pass""",
    "monkey.locati",
    """from ipywidgets import FloatSlider
slider = FloatSlider(min=0, max=5, step=0.5)
slider.observe(lambda change: setattr(monkey.location, 'x', change['new']), 'value')
slider""",
    "print('under way', flush=True)\nwhile True: pass",
    "'monkey' in globals(), 'Suzanne' in D.objects, D.objects['Suzanne'].location.x > 0",
)
COUNT = "print(len(bpy.data.objects))"


@pytest.fixture
def browse(
    world: World, serve: Callable[..., Server], tmp_path: Path
) -> Iterator[Callable[[str], Lab]]:
    """Open JupyterLab or Notebook 7; the browser ends with the test."""
    settings = world.folder / "jupyter" / "config" / "lab" / "user-settings" / "@jupyterlab"
    (settings / "apputils-extension").mkdir(parents=True)
    (settings / "apputils-extension" / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    with ExitStack() as browsers:

        def start(app: str) -> Lab:
            lab = Lab(serve(app=app), tmp_path)
            browsers.callback(lab.close)
            return lab

        yield start


@pytest.fixture
def lab(browse: Callable[[str], Lab]) -> Lab:
    """JupyterLab."""
    return browse("lab")


def picture(lab: Lab, name: str) -> None:
    if PICTURES:
        lab.picture(Path(PICTURES) / name)


@pytest.mark.timeout(300)
def test_a_session_in_an_open_blender(
    world: World, install: Callable[..., None], display: str, lab: Lab
) -> None:
    blender = need(shutil.which("blender"), "blender")
    install("--attach")
    install("--host", "blender", "--attach", "--set", "hosts.blender.background=true")
    options = ["--set", f"hosts.blender.executable={blender}"]
    if not PICTURES:
        options += ["--set", f"hosts.blender.args={cheap_window(640, 480)}"]
    started = subprocess.run(
        [sys.executable, "-m", "hostkernel", "run", "--detach", "--host", "blender", *options],
        env=world.env | {"DISPLAY": display},
        cwd=world.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    [kernel] = world.kernels()
    before = int(world.exec(COUNT))
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), world.folder / "work" / "scene.ipynb")

    lab.open("scene.ipynb")
    lab.find(".jp-Dialog select")
    picture(lab, "lab-choose.png")
    lab.choose_kernel("hostkernel: running kernel")
    lab.keys(Keys.CONTROL, "b")
    assert "added Suzanne" in lab.run(ADD)
    assert int(world.exec(COUNT)) == before + 1

    lab.run(PICTURE)
    image = lab.cell(PICTURE).find_element(By.CSS_SELECTOR, ".jp-RenderedImage img")
    lab.until(lambda: image.get_property("naturalWidth") == 480, "a picture")

    lab.run(PROGRESS)
    bar = ".progress-bar"
    lab.until(
        lambda: (
            "100"
            in str(lab.cell(PROGRESS).find_element(By.CSS_SELECTOR, bar).get_attribute("style"))
        ),
        "a full progress bar",
    )

    lab.complete(COMPLETE, "monkey.location")

    lab.run(SLIDER)
    lab.click(".jp-CodeCell:nth-of-type(n) .noUi-handle")
    for _ in range(4):
        lab.keys(Keys.ARROW_RIGHT)
    lab.until(lambda: float(world.exec("print(monkey.location.x)")) > 0, "an object that moved")
    lab.cell(PICTURE)
    picture(lab, "lab-blender.png")

    lab.start(ENDLESS)
    lab.until(lambda: "under way" in lab.output(ENDLESS), "an endless cell")
    lab.menu("Kernel", "Interrupt Kernel")
    lab.until(lambda: "KeyboardInterrupt" in lab.output(ENDLESS), "its interrupt")

    lab.menu("Kernel", "Restart Kernel…")
    lab.click(".jp-Dialog button.jp-mod-accept")
    lab.until(lambda: lab.find(".jp-StatusBar-Widget", "| Idle"), "the restart")
    assert "died" not in lab.text()
    assert "(False, True, True)" in lab.run(SCENE)

    lab.menu("Kernel", "Shut Down Kernel")
    lab.until(lambda: not lab.server.kernels(), "the shut-down")
    assert psutil.pid_exists(int(kernel["pid"]))
    assert int(world.exec(COUNT)) == before + 1


@pytest.mark.timeout(300)
def test_notebook_7(
    world: World, install: Callable[..., None], browse: Callable[[str], Lab]
) -> None:
    need(importlib.util.find_spec("notebook"), "notebook")
    install("--attach")
    world.detach()
    [kernel] = world.kernels()
    cell = nbformat.v4.new_code_cell("import os; print('in', os.getpid())")
    book = nbformat.v4.new_notebook(cells=[cell])
    (world.folder / "work").mkdir(exist_ok=True)
    nbformat.write(book, world.folder / "work" / "book.ipynb")
    notebook = browse("notebook")
    notebook.open("book.ipynb", "notebooks")
    idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
    notebook.choose_kernel("hostkernel: running kernel", idle)
    assert f"in {kernel['pid']}" in notebook.run(0)
    assert world.exec("print('alive')") == "alive"
