"""What real users' scripts and notebooks do, in each host that comes with hostkernel.

Most idioms are compared with stock ipykernel, in ``tests/parity``. These depend on the host: on
its ``__main__``, its streams and what its C code does with errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.runs import SECONDS, run_cell, wait_for

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(40)

MAIN = {
    "type hints": (
        "import typing\nclass P: pass\nclass A:\n    p: 'P'\ntyping.get_type_hints(A) == {'p': P}",
        "True",
    ),
    "unittest": (
        (
            "import unittest\nclass T(unittest.TestCase):\n"
            "    def test(self): self.fail('must be seen')\n"
            "result = unittest.main(argv=['x'], exit=False).result\n"
            "result.testsRun, len(result.failures)"
        ),
        "(1, 1)",
    ),
    "doctest": (
        (
            "import doctest\ndef double(x):\n    '''\n    >>> double(1)\n    2\n    '''\n"
            "    return 2 * x\nattempted = doctest.testmod().attempted; attempted"
        ),
        "1",
    ),
    "dataclass": (
        (
            "import dataclasses, typing\n@dataclasses.dataclass\nclass B:\n    x: int\n"
            "    k: 'typing.ClassVar[int]' = 3\n[field.name for field in dataclasses.fields(B)]"
        ),
        "['x']",
    ),
    "profile": (
        (
            "import cProfile, contextlib, io\ndef f(): pass\n"
            "with contextlib.redirect_stdout(io.StringIO()) as told: cProfile.run('f()')\n"
            "'(f)' in told.getvalue()"
        ),
        "True",
    ),
    "main": ("import __main__\n__main__.x = 1\nx, __main__.f is f", "(1, True)"),
    "pickle": ("import pickle\nclass K: pass\ntype(pickle.loads(pickle.dumps(K()))) is K", "True"),
}
BLENDER = ("bpy", "background", "window")


@pytest.mark.parametrize("name", MAIN)
def test_the_cells_are_main(client: BlockingKernelClient, name: str) -> None:
    code, expected = MAIN[name]
    run_cell(client, "def f(): pass")
    assert run_cell(client, code) == expected


def test_between_cells_main_is_the_hosts(client: BlockingKernelClient) -> None:
    """A thread of the process looks while no cell runs."""
    code = """
import sys, threading
found, idle = [], threading.Event()
ours = sys.modules["__main__"]
def look():
    while sys.modules["__main__"] is ours:
        idle.wait(0.01)
    found.append(sys.modules["__main__"])
thread = threading.Thread(target=look, daemon=True)
thread.start()
"""
    run_cell(client, code)
    look = "len(found), ours in found, sys.modules['__main__'] is ours"
    wait_for(lambda: run_cell(client, look) == "(1, False, True)", "the host's own module", SECONDS)


def test_property_groups_are_registered_with_string_annotations(
    client: BlockingKernelClient, kind: str
) -> None:
    if kind not in BLENDER:
        pytest.skip("a matter of Blender's")
    code = """
from __future__ import annotations
import bpy
class Group(bpy.types.PropertyGroup):
    x: bpy.props.FloatProperty(default=1.5)
bpy.utils.register_class(Group)
bpy.types.Scene.group = bpy.props.PointerProperty(type=Group)
bpy.context.scene.group.x
"""
    assert run_cell(client, code) == "1.5"
    run_cell(client, "del bpy.types.Scene.group\nbpy.utils.unregister_class(Group)")


def test_an_operators_error_that_is_handled_is_whole_and_no_error(
    client: BlockingKernelClient, kind: str
) -> None:
    if kind not in BLENDER:
        pytest.skip("a matter of Blender's")
    code = """
import bpy
class Bad(bpy.types.Operator):
    bl_idname, bl_label = "test.bad", "bad"
    def execute(self, context): raise ValueError("why it failed")
bpy.utils.register_class(Bad)
try: bpy.ops.test.bad()
except RuntimeError as error: told = str(error)
bpy.utils.unregister_class(Bad)
"why it failed" in told, "ValueError" in told
"""
    seen: list[str] = []
    client.execute_interactive(
        code, output_hook=lambda message: seen.append(message["msg_type"]), timeout=SECONDS
    )
    assert "error" not in seen
    assert run_cell(client, '"why it failed" in told, "ValueError" in told') == "(True, True)"


HUSH = """
import os, sys
sys.stdout.flush()
old = os.dup(sys.stdout.fileno())
sys.stdout.close()
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.stdout = os.fdopen(old, "w")
"""
WRAP = "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')"
BREAKS = {
    "closes": "import sys; print('x'); sys.stdout.close()",
    "with": "import sys\nwith sys.stdout: print('x')",
    "wraps": f"{WRAP}; print('x')",
    "wraps for once": "import io, sys; io.TextIOWrapper(sys.stdout.buffer).write('x\\n'); None",
}


@pytest.mark.parametrize("code", BREAKS.values(), ids=BREAKS.keys())
def test_no_cell_breaks_its_output(client: BlockingKernelClient, each: Run, code: str) -> None:
    before = len(each.output)
    assert run_cell(client, code) == "x\n"
    assert run_cell(client, "print('next')") == "next\n"
    assert "x\n" not in each.output[before:]
    there_is_output_after_a_restart(client, each)


@pytest.mark.parametrize("code", [HUSH, f"{WRAP}; sys.stdout.close()"], ids=["hush", "wrapped"])
def test_a_restart_brings_back_what_a_cell_has_hushed(
    client: BlockingKernelClient, each: Run, code: str
) -> None:
    run_cell(client, code)
    there_is_output_after_a_restart(client, each)


def there_is_output_after_a_restart(client: BlockingKernelClient, each: Run) -> None:
    run_cell(client, "gone = 1")
    each.hostkernel("restart")
    wait_for(lambda: run_cell(client, "'gone' in globals()") == "False", "the restart", SECONDS)
    wait_for(lambda: "hushed" in run_cell(client, "print('hushed no more')"), "output", SECONDS)
    before = len(each.output)
    line = "to the console"
    run_cell(client, f"import os; os.write(1, b'{line}')")
    wait_for(lambda: line in each.output[before:], "the host's console")
