"""Whether a cell may have changed data whose changes Blender does not report.

Blender reports most changes to its dependency graph, but none of a custom property, the text of
a script, a node's input, a marker, pixels or the current frame. So the cell's source decides: a
cell counts as reading only if everything it does is known to read.

Rejected: comparing all data before and after each cell, which would take longer than the cell.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Writes", "writes"]

_BLENDERS = frozenset({"bpy", "bpy_types", "bpy_extras", "bmesh", "mathutils", "gpu"})
_INDIRECT = frozenset({"operator", "functools", "runpy", "importlib", "code", "timeit"})
_PLAIN = (list, dict, set, tuple, str, bytes, int, float, bool)
_CALLED = """
    abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict dir display
    divmod enumerate float format frozenset get_ipython getattr globals hasattr hash help hex id
    input int isinstance issubclass iter len list locals max memoryview min next oct open ord
    pow print property range repr reversed round set slice sorted staticmethod str sum super
    tuple type vars zip
"""
_FUNCTIONS = frozenset(_CALLED.split())
# Methods of Blender's objects, of strings and of objects of unknown type.
_ASKED = """
    as_pointer copy count cross decompose dot encode decode endswith evaluated_depsgraph_get
    evaluated_get find foreach_get format from_edit_mesh get getoutput index inverted
    is_property_set isdisjoint items join keys lerp lower normalized path_from_id path_resolve
    poll ray_cast register_class replace rotation_difference split splitlines startswith strip
    system temp_override to_3x3 to_4x4 to_dict to_euler to_list to_matrix to_mesh to_mesh_clear
    to_quaternion to_scale to_translation to_tuple transposed unregister_class upper values
"""
_METHODS = frozenset(_ASKED.split())
_MAGICS = frozenset({"viewport", "render", "pip", "matplotlib", "who", "whos", "pwd", "ls", "env"})
# Calls, by the last two names of their dotted path.
_READING = ("view_layer.update", "render.render", "view3d.view_", "wm.save_", "screen.screen")
_RESETS = ("ed.undo", "ed.redo", "wm.open_mainfile", "wm.read_", "wm.recover_", "wm.revert_main")


@dataclass
class Writes:
    """The places where a cell may have changed something.

    Attributes:
        anywhere: whether anywhere in the cell.
        after_reset: whether after the cell's last undo, redo or file load.
    """

    anywhere: bool = False
    after_reset: bool = False


def writes(cell: str, names: Mapping[str, object], transform: Callable[[str], str] = str) -> Writes:
    """Judge a cell by its source, after it has run.

    Args:
        cell: the cell's source.
        names: the values of the names in the cells' namespace.
        transform: turns magics into Python.
    """
    tree = _parse(lambda: cell) or _parse(lambda: transform(cell))
    judge = _Judge(names)
    if tree is not None:  # else none of the cell has run
        judge.visit(tree)
    return judge.found


def _parse(source: Callable[[], str]) -> ast.AST | None:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree: ast.AST = compile(source(), "<cell>", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


class _Judge(ast.NodeVisitor):
    """The visitor of a cell in the order in which it runs, without the bodies of functions."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self.found = Writes()
        self._names = names
        self._was_reset = False

    def _write(self) -> None:
        self.found.anywhere = True
        self.found.after_reset = self._was_reset

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        # On a bare name, it may change a Blender vector in place.
        if isinstance(node.target, ast.Name) and not self._is_python(node.target):
            self._write()
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._define(node)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit(node.args)
        self._decorate(node.decorator_list)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.bases, *node.keywords, *node.body):
            self.visit(part)
        self._decorate(node.decorator_list)

    def _decorate(self, decorators: list[ast.expr]) -> None:
        for each in decorators:
            self.visit(each if isinstance(each, ast.Call) else ast.Call(each, [], []))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._reach(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._reach(node)

    def _reach(self, node: ast.Attribute | ast.Subscript) -> None:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) and not self._is_plain(node.value):
            self._write()

    def visit_Import(self, node: ast.Import) -> None:
        if not all(_may_be_imported(alias.name) for alias in node.names):
            self._write()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not _may_be_imported(node.module or ""):
            self._write()

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        path = _path(node.func)
        if path.startswith(_RESETS):
            self._was_reset = True
            self.found.after_reset = False
        elif not path.startswith(_READING) and (self._hands_out(node) or not self._reads(node)):
            self._write()

    def _hands_out(self, call: ast.Call) -> bool:
        """Whether an argument is a function of the user's, which the call may run."""
        arguments = (*call.args, *(keyword.value for keyword in call.keywords))
        values = [self._names.get(each.id) for each in arguments if isinstance(each, ast.Name)]
        return any(callable(value) and not _is_of_library(value) for value in values)

    def _reads(self, call: ast.Call) -> bool:
        function = call.func
        if isinstance(function, ast.Name):
            return self._is_reading_function(function.id)
        if not isinstance(function, ast.Attribute):
            return False
        if function.attr == "run_line_magic":
            return isinstance(call.args[0], ast.Constant) and call.args[0].value in _MAGICS
        return function.attr in _METHODS or self._is_python(function.value)

    def _is_reading_function(self, name: str) -> bool:
        value = self._names.get(name)
        if value is None:
            return name in _FUNCTIONS
        return _is_of_library(value)

    def _is_python(self, node: ast.expr) -> bool:
        """Whether ``node`` is a list, say, or a library's module or object, and not Blender's."""
        if isinstance(node, ast.Constant | ast.JoinedStr):
            return True
        value = self._names.get(node.id) if isinstance(node, ast.Name) else None
        if value is not None:
            return self._is_plain(node) or _is_of_library(value)
        return isinstance(node, ast.Attribute) and self._is_module(node.value)

    def _is_module(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        value = self._names.get(node.id) if isinstance(node, ast.Name) else None
        return isinstance(value, ModuleType) and _is_of_library(value)

    def _is_plain(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and type(self._names.get(node.id)) in _PLAIN


def _path(node: ast.expr) -> str:
    """Return the last two names of a dotted path, such as ``"ed.undo"``, else an empty string."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute | ast.Name):
        before = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
        return f"{before}.{node.attr}"
    return ""


def _may_be_imported(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _BLENDERS or _is_library(top)


def _is_of_library(value: Any) -> bool:
    if isinstance(value, ModuleType):
        home = value.__name__
    elif isinstance(value, type) or callable(value):
        home = getattr(value, "__module__", None) or ""
    else:
        home = type(value).__module__
    return home != "builtins" and _is_library(home.partition(".")[0])


def _is_library(name: str) -> bool:
    """Whether ``name`` is a module of Python's or an installed one that does not use Blender."""
    if name in _INDIRECT or name in _BLENDERS or name == "__main__":
        return False
    if name in sys.stdlib_module_names:
        return True
    file = (getattr(sys.modules.get(name), "__file__", None) or "").replace("\\", "/")
    return "-packages/" in file and "/bpy/" not in file
