"""The cells' namespace, seen from the host and from pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel.test_modes import PUMPED

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_cells_hand_out_outlives_the_kernel_and_a_restart(
    told: Callable[..., dict[str, Any]],
) -> None:
    facts = told(
        PUMPED
        + """
import gc, weakref
handed_out = []
sys.handed_out = handed_out
cells = ["import sys; text = 'kept'\\ndef callback(): return text",
         "sys.handed_out.append(callback); 1", "get_ipython().kernel"]

def cell_run():
    client = begin(manager, *cells)
    turn(lambda: client.poll() is not None)
    finish(client)

manager.start()
cell_run()
manager.restart()
fresh = begin(manager, "'text' in globals()", "In")
turn(lambda: fresh.poll() is not None)
fresh = finish(fresh)
cell_run()
shell = weakref.ref(manager._embedding._session.shell)
manager.stop()
gc.collect()
tell(results=[callback() for callback in handed_out], fresh=fresh, freed=shell() is None)
"""
    )
    assert facts["results"] == ["kept", "kept"]
    assert facts["fresh"][0] == ["ok", None, "False"]
    assert facts["fresh"][1][2].startswith("['', \"'text' in globals()\"")
    assert facts["freed"]


def test_main_is_the_hosts_between_cells_and_pickle_finds_the_cells_classes(
    told: Callable[..., dict[str, Any]],
) -> None:
    facts = told(
        PUMPED
        + """
import types
main = sys.modules["__main__"]
names = dict(vars(main))
pickle_it = ["import pickle, sys\\nclass Point: pass",
             "pickle.loads(pickle.dumps(Point())).__class__ is Point",
             "__name__, 'posted' in vars(sys.modules['__main__'])", "from __main__ import posted"]

def run():
    client = begin(manager, *pickle_it)
    turn(lambda: client.poll() is not None)
    return finish(client)

manager.start()
first = run()
same = sys.modules["__main__"] is main
sys.modules["__main__"] = types.ModuleType("__main__")   # as Blender does after a start script
second = run()
replaced = vars(sys.modules["__main__"])
manager.stop()
left = ["__getattr__" in replaced, "__getattr__" in names, "__getattr__" in vars(main)]
tell(first=first, second=second, same=same, left=left)
"""
    )
    assert facts["first"][1:3] == [["ok", None, "True"], ["ok", None, "('__main__', False)"]]
    assert facts["first"][3][0] == "ok"  # a name of the host's script
    assert facts["second"][1] == ["ok", None, "True"]
    assert facts["same"]
    assert facts["left"] == [False, False, False]
