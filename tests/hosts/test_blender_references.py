"""Names that hold what is gone from Blender, and handlers that scripts have cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.kinds import arguments
from support.pictures import Shown
from support.runs import SECONDS, run_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.runs import Run

pytestmark = pytest.mark.slow(50)

SCENE = """
import os
FILE = os.path.abspath("scene.blend")
bpy.ops.wm.read_homefile(use_factory_startup=True)
bpy.ops.wm.save_as_mainfile(filepath=FILE)
bpy.app.handlers.load_pre.clear()
bpy.app.handlers.load_post.clear()
"""
LOAD = "bpy.ops.wm.open_mainfile(filepath=FILE)"


@pytest.fixture(scope="module", params=["bpy", "background", "window"])
def blender(
    start_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Run:
    """One Blender of each kind."""
    env = {"DISPLAY": request.getfixturevalue("display")} if request.param == "window" else {}
    return start_run(*arguments(request.param, tmp_path_factory.mktemp("program")), **env)


@pytest.fixture
def client(blender: Run) -> BlockingKernelClient:
    """A client of a Blender with the factory's scene, in a file."""
    client = blender.client(120)
    run_cell(client, SCENE)
    return client


def number(client: BlockingKernelClient, code: str) -> int:
    """Run a cell that must succeed; its number."""
    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=lambda _: None)
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
    return int(reply["content"]["execution_count"])


def error(client: BlockingKernelClient, code: str) -> str:
    """Run a cell that must fail; what the user reads."""
    reply = client.execute_interactive(code, timeout=SECONDS, output_hook=lambda _: None)
    assert reply["content"]["status"] == "error", code
    return "\n".join(reply["content"]["traceback"])


PARTS = """
cube = D.objects["Cube"]
cube["custom"] = {"a": 1}
cube["numbers"] = [1.0, 2.0]
location = cube.location
matrix = cube.matrix_world
row = matrix[0]
spot = cube.data.vertices[0].co
flags = cube.lock_location
bound = cube.select_set
reader = cube.data.vertices.foreach_get
custom, numbers = cube["custom"], cube["numbers"]
objects = iter(D.objects)
vertices = iter(cube.data.vertices)
components = iter(cube.location)
places = (vertex.co for vertex in cube.data.vertices)
zipped = zip(cube.data.vertices, range(8))
slice_ = cube.data.vertices[0:2]
nested = {"all": [(1, cube.location)]}
free = cube.location.copy()
"""
NAMES = [
    *("location", "matrix", "row", "spot", "flags", "bound", "reader", "custom", "numbers"),
    *("objects", "vertices", "components", "places", "zipped", "slice_", "nested"),
]
BOUND = "[name for name in {} if name in globals()]"


@pytest.mark.parametrize("blow", [LOAD, "bpy.ops.ed.undo()"])
def test_no_part_outlives_a_load_or_an_undo(client: BlockingKernelClient, blow: str) -> None:
    """A vector that was kept showed another object's place, and wrote to it."""
    number(client, "D.objects['Cube'].location.x = 3")
    number(client, PARTS)
    assert run_cell(client, BOUND.format(NAMES)) == repr(NAMES).replace(", ", ",\n ")
    when = number(client, blow)
    assert run_cell(client, BOUND.format([*NAMES, "free"])) == "['free']"
    for name in NAMES[:2]:
        said = error(client, f"{name}.x = 2")
        assert "NameError" in said
        assert f"{name} was dropped" in said
        assert f"in cell [{when}]" in said
    assert run_cell(client, "free.x") == "3.0"


PURGE_BY_OPERATOR = "bpy.ops.outliner.orphans_purge(do_recursive=True)"
REMOVALS = {
    "remove": "D.objects.remove(D.objects['Cube'])",
    "delete": "bpy.ops.object.delete()",
    "purge": "D.objects.remove(D.objects['Cube']); D.orphans_purge()",
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_removed_objects_name_can_be_used_again(
    client: BlockingKernelClient, removal: str
) -> None:
    """Blender 3.4 raises as soon as somebody asks what a dead object is, and IPython does."""
    number(client, "cube = D.objects['Cube']; cube.select_set(True); place = cube.location")
    when = number(client, REMOVALS[removal])
    for name in ("cube", "place"):
        said = error(client, f"{name}.x")
        assert f"{name} was dropped, because its data was removed in cell [{when}]" in said
    number(client, "cube = D.objects['Light']")
    assert run_cell(client, "cube.name") == "'Light'"


@pytest.mark.parametrize("purge", ["D.orphans_purge()", PURGE_BY_OPERATOR])
def test_a_purged_meshs_name_can_be_used_again(client: BlockingKernelClient, purge: str) -> None:
    number(client, "mesh = D.meshes.new('x')")
    number(client, "mesh.from_pydata([(1, 2, 3)], [], []); vertices = mesh.vertices")
    when = number(client, f"{purge}; assert 'x' not in D.meshes")
    number(client, "mesh = 3")
    said = error(client, "len(vertices)")
    assert f"vertices was dropped, because its data was removed in cell [{when}]" in said


PAIR = """
mesh = D.meshes.new("mine")
mesh.from_pydata([(1, 2, 3)], [], [])
other = D.meshes.new("other")
first, inner = mesh.vertices[0], [mesh.vertices]
kept = other.vertices
nodes = D.worlds["World"].node_tree.nodes
objects = D.objects
"""


def test_parts_go_with_what_they_belong_to_and_no_others(client: BlockingKernelClient) -> None:
    number(client, PAIR)
    assert run_cell(client, "first.co[:]") == "(1.0, 2.0, 3.0)"
    number(client, "D.meshes.remove(mesh); fresh = D.meshes.new('fresh'); found = fresh.vertices")
    names = ["mesh", "first", "inner", "kept", "nodes", "objects", "fresh", "found"]
    left = run_cell(client, BOUND.format(names))
    assert eval(left) == ["kept", "nodes", "objects", "fresh", "found"]
    assert run_cell(client, "len(kept), len(found)") == "(0, 0)"


def test_parts_go_that_were_fetched_in_the_cell_that_removes(client: BlockingKernelClient) -> None:
    cell = "mesh = D.meshes['Cube']; vertices = mesh.vertices; D.meshes.remove(mesh)"
    when = number(client, cell)
    said = error(client, "len(vertices)")
    assert f"vertices was dropped, because its data was removed in cell [{when}]" in said


EVALUATED = """
cube = D.objects["Cube"]
cube.modifiers.new("subdivision", "SUBSURF")
evaluated = cube.evaluated_get(C.evaluated_depsgraph_get())
points = evaluated.data.vertices
made = cube.to_mesh()
corners = made.vertices
settings = C.preferences.view
"""


def test_what_the_document_never_had_stays(client: BlockingKernelClient) -> None:
    number(client, EVALUATED)
    names = ["evaluated", "points", "made", "corners", "settings"]
    assert eval(run_cell(client, BOUND.format(names))) == names
    assert run_cell(client, "len(points), len(corners)") == "(26, 8)"


def test_a_removed_modifier_is_dropped(client: BlockingKernelClient) -> None:
    number(client, "cube = D.objects['Cube']; modifier = cube.modifiers.new('one', 'SUBSURF')")
    number(client, "cube.modifiers.remove(modifier)")
    assert "modifier was dropped" in error(client, "modifier.name")
    number(client, "modifier = 3")


def test_a_removed_object_as_result_is_shown_as_that(client: BlockingKernelClient) -> None:
    shown = Shown(client, "cube = D.objects['Cube']; D.objects.remove(cube); cube")
    assert (shown.status, shown.texts()) == ("ok", ["<bpy_struct, Object invalid>"])


def test_a_removed_object_in_a_list_says_so(client: BlockingKernelClient) -> None:
    number(client, "cubes = [D.objects['Cube']]; D.objects.remove(cubes[0])")
    said = error(client, "cubes[0].name")
    assert "it was removed. Fetch it anew" in said


def test_what_is_removed_between_cells_is_dropped(client: BlockingKernelClient) -> None:
    """As the user does it in the window; here, a callback of a client's request."""
    number(client, "cube = D.objects['Cube']; place = cube.location")
    message = client.kernel_info()
    assert client.get_shell_msg(timeout=SECONDS)["parent_header"]["msg_id"] == message
    silent = client.execute("D.objects.remove(D.objects['Cube'])", silent=True)
    assert client.get_shell_msg(timeout=SECONDS)["parent_header"]["msg_id"] == silent
    number(client, "cube = 3")
    assert "place was dropped, because its data was removed" in error(client, "place")


# Handlers

CLEARED = {
    "clear": "bpy.app.handlers.load_pre.clear()",
    "all": """
for moment in dir(bpy.app.handlers):
    handlers = getattr(bpy.app.handlers, moment)
    if isinstance(handlers, list):
        handlers.clear()
""",
    "slice": "bpy.app.handlers.load_pre[:] = []",
    "remove": "for each in list(bpy.app.handlers.load_pre): bpy.app.handlers.load_pre.remove(each)",
    "pop": "for _ in list(bpy.app.handlers.load_pre): bpy.app.handlers.load_pre.pop()",
}


@pytest.mark.parametrize("cleared", CLEARED)
def test_a_load_is_noticed_in_the_cell_that_cleared_the_handlers(
    client: BlockingKernelClient, cleared: str
) -> None:
    """Using the vertices of the file before ended Blender."""
    code = f"{CLEARED[cleared]}\nvertices = D.meshes['Cube'].vertices\n{LOAD}"
    when = number(client, code)
    said = error(client, "len(vertices)")
    assert "vertices was dropped, because scene.blend was loaded" in said
    assert f"in cell [{when}]" in said


def test_a_name_can_be_used_again_after_a_load_that_no_handler_has_noticed(
    client: BlockingKernelClient,
) -> None:
    """Blender 3.4 raises as soon as somebody asks what a dead object is."""
    number(client, "ob = D.objects['Cube']")
    number(client, f"{CLEARED['all']}\n{LOAD}")
    number(client, "ob = 3")
    assert run_cell(client, "ob") == "3"


def test_a_step_is_made_by_the_cell_that_cleared_the_handlers(client: BlockingKernelClient) -> None:
    clear = "bpy.app.handlers.depsgraph_update_post.clear()"
    number(client, f"{clear}; D.objects['Cube'].location.x += 1")
    number(client, f"{clear}; D.objects['Cube'].location.x += 1")
    number(client, "bpy.ops.ed.undo()")
    assert run_cell(client, "D.objects['Cube'].location.x") == "1.0"


@pytest.mark.parametrize("end", ["", "0"])
def test_a_loop_that_pops_empties_a_list_of_the_users_handlers(
    client: BlockingKernelClient, end: str
) -> None:
    number(client, "handlers = bpy.app.handlers.load_pre; handlers += [print, print]")
    pop = f"for _ in range(len(handlers)): handlers.pop({end})"
    names = run_cell(client, f"{pop}\n[each.__name__ for each in handlers]")
    assert eval(names) == ["hostkernel_handler"] * 2


def test_a_loop_until_the_list_is_empty_ends(client: BlockingKernelClient) -> None:
    handlers = "bpy.app.handlers.load_pre"
    assert run_cell(client, f"while {handlers}: {handlers}.pop()\nlen({handlers})") == "0"
    assert run_cell(client, f"len({handlers})") == "2"


@pytest.mark.parametrize("moments", [["load_pre"], ["load_pre", "load_post"]], ids=len)
def test_handlers_that_somebody_keeps_are_back_with_the_next_cell(
    client: BlockingKernelClient, moments: list[str]
) -> None:
    number(client, f"lists = [getattr(bpy.app.handlers, moment) for moment in {moments}]")
    keep = "saved = [list(each) for each in lists]; [each.clear() for each in lists]"
    when = number(client, f"{keep}; objects = D.objects; {LOAD}")
    assert f"scene.blend was loaded in cell [{when}]" in error(client, "len(objects)")
    assert eval(run_cell(client, "[len(each) for each in lists]")) == [2] * len(moments)
    put_back = "for each, kept in zip(lists, saved): each += kept"
    number(client, f"{put_back}\ndel saved, kept; vertices = D.meshes['Cube'].vertices")
    when = number(client, LOAD)
    assert f"scene.blend was loaded in cell [{when}]" in error(client, "len(vertices)")


def test_the_users_handlers_stay_where_they_are(client: BlockingKernelClient) -> None:
    number(client, "handlers = bpy.app.handlers.depsgraph_update_post; mine = lambda *_: None")
    number(client, "handlers.append(mine)")
    number(client, "handlers.remove(mine)")
    number(client, "handlers.append(mine)")
    assert run_cell(client, "handlers.pop() is mine") == "True"
