"""Widgets that are alive when their kernel restarts or ends leave no word on the host's console."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from support.kinds import arguments
from support.live import control, value
from support.runs import SECONDS, need, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.runs import Run

pytestmark = pytest.mark.slow(20)

WIDGETS = "import ipywidgets; sliders = [ipywidgets.IntSlider() for _ in range(3)]; len(sliders)"


def test_widgets_end_with_their_host(
    kind: str,
    start_run: Callable[..., Run],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    need(importlib.util.find_spec("ipywidgets"), "ipywidgets")
    env = {"DISPLAY": request.getfixturevalue("display")} if kind == "window" else {}
    run = start_run(*arguments(kind, tmp_path), **env)
    wait_for(lambda: run.files() or run.process.poll() is not None, "a kernel", 2 * SECONDS)
    client = run.client(2 * SECONDS)
    assert value(client, WIDGETS) == "3"
    assert control(client, "shutdown_request", restart=True)["status"] == "ok"
    fresh = "'sliders' not in globals()"
    wait_for(lambda: value(client, fresh) == "True", "a fresh namespace")
    assert value(client, f"import gc; gc.collect(); {WIDGETS}") == "3"
    run.interrupt()
    assert "Exception ignored" not in run.output
    assert "Traceback" not in run.output
