"""Kernels told apart by the document that is open in their host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.world import odd_options, wait_for

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.slow(20)

TITLE = 'hosts.odd.title=\'__import__("sys").modules.get("document", "(unsaved)")\''
OPEN = "import sys; sys.modules['document'] = {!r}"
LATER = "import threading\nthreading.Timer(0.5, lambda: exec({!r})).start()"


def titles(world: World) -> list[str | None]:
    return [kernel["title"] for kernel in world.kernels()]


def test_a_kernel_is_chosen_by_what_is_open_now(world: World) -> None:
    options = (*odd_options(), "--set", TITLE)
    first, second = world.detach(*options), world.detach(*options)
    assert titles(world) == ["(unsaved)", "(unsaved)"]
    world.exec(OPEN.format("scene.blend"), "-k", first)
    assert titles(world) == ["scene.blend", "(unsaved)"]
    assert world.exec("import os; print(os.getpid())", "-k", "scene.blend") == str(
        world.kernels()[0]["pid"]
    )
    refusal = world.run("exec", "-c", "1").stderr
    assert f"{first}  odd, pid" in refusal
    assert "(scene.blend)" in refusal

    # The user opens another one, and no cell runs.
    world.exec(LATER.format(OPEN.format("later.blend")), "-k", second)
    wait_for(lambda: titles(world) == ["scene.blend", "later.blend"], "the new title")
    assert world.run("stop", "later.blend", "--json").stdout == f'{{"stopped": ["{second}"]}}\n'
    assert [kernel["id"] for kernel in world.kernels()] == [first]


def test_a_title_that_cannot_be_told_is_none(world: World) -> None:
    world.detach(*odd_options(), "--set", "hosts.odd.title='1 / 0'")
    assert world.exec("print(1)") == "1"
    assert titles(world) == [None]
    assert world.run("logs").stdout.count("OddHost.title() failed") == 1
