"""Who may import whom, what the core may name, what is public, and what stays unloaded."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hostkernel

if TYPE_CHECKING:
    from collections.abc import Iterator

CORE = Path(hostkernel.__file__).parent
MODULES = {
    ".".join(("hostkernel", *file.relative_to(CORE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in CORE.rglob("*.py")
}
LAYERS = (
    ("errors", "private", "processes"),
    ("host", "connection", "config.models"),
    ("hookspecs", "registry"),
    ("config", "plugins"),
    ("loading",),
    ("kernel", "launch", "jupyter", "doctor"),
    ("cli", "testing"),
)
INSIDE, OUTSIDE = {"kernel"}, {"launch", "jupyter", "doctor", "cli"}
ALLOWED = {("hostkernel.launch.bootstrap", "hostkernel.kernel.manager")}
KERNEL_ONLY = {"ipykernel", "IPython", "traitlets"}
PUBLIC_TO_PLUGINS = {
    "hostkernel",
    "hostkernel.errors",
    "hostkernel.hookspecs",
    "hostkernel.host",
}
HOST_LIBRARIES = {"bpy", "PySide2", "PySide6", "PyQt5", "PyQt6", "shiboken6", "sip"}
HEAVY = {"ipykernel", "zmq", "IPython", "traitlets", "tornado", *HOST_LIBRARIES}
# Words that only a host's adapter may say; "qt" alone would be found in other words.
HOST_WORDS = re.compile(
    r"(?i:blender|\bbpy|pyside|pyqt|freecad|qgis|shiboken)|(?<![A-Za-z])[Qq][Tt](?![a-z])"
)


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """Every module that is imported anywhere in ``tree``, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, module, is_package)


def _imported_from(node: ast.ImportFrom, module: str, is_package: bool) -> Iterator[str]:
    parts = module.split(".")
    package = parts[: len(parts) - node.level + is_package] if node.level else []
    base = ".".join([*package, *filter(None, [node.module])])
    for alias in node.names:
        submodule = f"{base}.{alias.name}"
        yield submodule if submodule in MODULES else base


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _unit(module: str) -> str:
    """The part of the house that a module belongs to."""
    below = module.removeprefix("hostkernel.")
    return below if below == "config.models" else below.split(".")[0]


def _layer(unit: str) -> int:
    return next(number for number, units in enumerate(LAYERS) if unit in units)


CORE_IMPORTS = [
    (module, imported)
    for module, file in sorted(MODULES.items())
    for imported in imports(_parse(file), module, is_package=file.stem == "__init__")
]


def _breaks_layers(module: str, imported: str) -> bool:
    if not imported.startswith("hostkernel") or (module, imported) in ALLOWED:
        return False
    here, there = _unit(module), _unit(imported)
    if there == "hostkernel":  # the public face reaches everything
        return here not in LAYERS[-1]
    if (here in INSIDE and there in OUTSIDE) or (here in OUTSIDE and there in INSIDE):
        return True
    return _layer(there) > _layer(here)


def test_every_module_has_a_layer():
    named = {unit for units in LAYERS for unit in units}
    assert {_unit(module) for module in MODULES} - named == {"hostkernel", "__main__"}


def test_imports_go_down_the_layers():
    face = {"hostkernel", "hostkernel.__main__"}
    checked = [(module, imported) for module, imported in CORE_IMPORTS if module not in face]
    assert [pair for pair in checked if _breaks_layers(*pair)] == []


def test_the_layering_test_can_fail():
    assert _breaks_layers("hostkernel.kernel.ipython.app", "hostkernel.launch.orders")
    assert _breaks_layers("hostkernel.cli.commands.run", "hostkernel.kernel.manager")
    assert _breaks_layers("hostkernel.host", "hostkernel.config")
    assert _breaks_layers("hostkernel.launch.bootstrap", "hostkernel.kernel.ipython.app")
    assert _breaks_layers("hostkernel.plugins.registry", "hostkernel")
    assert _breaks_layers("hostkernel.plugins.registry", "hostkernel.loading")
    source = "def f():\n    from ..kernel import manager\n    from . import child\n"
    found = imports(ast.parse(source), "hostkernel.launch.starter", is_package=False)
    assert list(found) == ["hostkernel.kernel.manager", "hostkernel.launch.child"]


def test_the_one_exception_is_deferred():
    (pair,) = ALLOWED & set(CORE_IMPORTS)
    tree = _parse(MODULES[pair[0]])
    at_the_top = ast.Module([node for node in tree.body if isinstance(node, ast.stmt)], [])
    for node in at_the_top.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert pair[1] not in list(imports(node, pair[0], is_package=False))


# What each room of the kernel may import of the others; the modules beside them may import all.
ROOMS = {
    "base": {"base"},
    "guest": {"base", "guest"},
    "process": {"base", "process"},
    "ipython": {"base", "guest", "process", "ipython"},
}


def _room(module: str) -> str | None:
    """The room of a module of the kernel's, None if it stands in none."""
    below = module.removeprefix("hostkernel.kernel.").partition(".")[0]
    return below if below in ROOMS else None


def _leaves_room(module: str, imported: str) -> bool:
    room = _room(module)
    if room is None or not imported.startswith("hostkernel.kernel"):
        return False
    return _room(imported) not in ROOMS[room]


def test_rooms_import_one_way():
    assert {_room(module) for module in MODULES} == {None, *ROOMS}
    assert [pair for pair in CORE_IMPORTS if _leaves_room(*pair)] == []


def test_the_test_of_rooms_can_fail():
    assert _leaves_room("hostkernel.kernel.guest.pump", "hostkernel.kernel.process.threads")
    assert _leaves_room("hostkernel.kernel.process.native", "hostkernel.kernel.ipython.output")
    assert _leaves_room("hostkernel.kernel.ipython.shell", "hostkernel.kernel.embedding")
    assert not _leaves_room("hostkernel.kernel.manager", "hostkernel.kernel.guest.drivers")
    assert not _leaves_room("hostkernel.kernel.guest.pump", "hostkernel.errors")


def test_only_one_room_imports_ipykernel():
    users = {
        module for module, imported in CORE_IMPORTS if imported.partition(".")[0] in KERNEL_ONLY
    }
    assert {_room(module) for module in users} == {"ipython"}


# What the core may name


def _words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier and string, but for docstrings and other bare strings."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in bare and isinstance(node, ast.Constant):
            continue
        for _, value in ast.iter_fields(node):
            for word in value if isinstance(value, list) else [value]:
                if isinstance(word, (str, bytes)):
                    yield getattr(node, "lineno", 0), str(word)


def _named_hosts(source: str) -> list[tuple[int, str]]:
    return [(line, word) for line, word in _words(ast.parse(source)) if HOST_WORDS.search(word)]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_host_is_named_in_the_core(module):
    assert _named_hosts(MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import bpy",
        "x = 'for Blender only'",
        "class QtHost: ...",
        "def f(qt_app): ...",
        "f(gui='qt5')",
        "from PySide6 import QtCore",
        "x = f'{y} in FreeCAD'",
        "global qt",
        "x = b'blender'",
    ],
)
def test_a_named_host_is_found(source):
    assert _named_hosts(source)


@pytest.mark.parametrize("source", ["'''Blender'''", "x = 1\n'''bpy'''", "mqtt = 'mqtt'"])
def test_docstrings_and_other_words_may_stay(source):
    assert _named_hosts(source) == []


def _begins_with_another(tree: ast.AST) -> list[int]:
    """Where a docstring begins with what the overridden method does, not with its own."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
    return [
        getattr(node, "lineno", 1)
        for node in nodes
        if (ast.get_docstring(node) or "").startswith(("Original", "Upstream"))
    ]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_docstrings_begin_with_own_behaviour(module):
    assert _begins_with_another(_parse(MODULES[module])) == []


def test_another_beginning_is_found():
    source = "def f():\n    'Original: waits.'\nclass C:\n    'Upstream: does it.'\n"
    assert _begins_with_another(ast.parse(source)) == [1, 3]


# What is public


def test_public_names_are_listed_in_order():
    assert hostkernel.__all__ == sorted(hostkernel.__all__)
    assert set(hostkernel.__all__) <= set(dir(hostkernel))


@pytest.mark.parametrize("name", hostkernel.__all__)
def test_a_public_name_resolves(name):
    value = getattr(hostkernel, name)
    assert value is getattr(hostkernel, name)
    assert value.__doc__


def test_every_error_is_public():
    assert set(hostkernel.errors.__all__) - {"Problem"} <= set(hostkernel.__all__)


def test_only_public_names_resolve():
    with pytest.raises(AttributeError, match="module 'hostkernel' has no attribute 'strat'"):
        _ = hostkernel.strat


def test_type_checkers_see_the_same_names():
    tree = _parse(CORE / "__init__.py")
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert sorted(a.name for node in imported for a in node.names) == hostkernel.__all__


# What stays unloaded


def _loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after ``code``."""
    report = "\nimport sys\nprint('\\n' + ' '.join({m.partition('.')[0] for m in sys.modules}))"
    command = [sys.executable, "-c", code + report]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import hostkernel",
        "import hostkernel; hostkernel.Host, hostkernel.hookimpl, hostkernel.LaunchError",
        "from hostkernel.cli import main; assert main(['--help']) == 0",
        "from hostkernel.plugins import Plugins; assert len(Plugins.load().hosts) >= 3",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert _loaded_by(code) & HEAVY == set()


def test_importing_hostkernel_loads_next_to_nothing():
    assert _loaded_by("import hostkernel") & {"pydantic", "pluggy", "typer", "rich"} == set()


def test_heavy_modules_are_seen():
    assert "zmq" in _loaded_by("import zmq")


# Plugins

BUNDLED = sorted(
    entry.value
    for entry in importlib.metadata.entry_points(group="hostkernel")
    if entry.dist is not None and entry.dist.name == "hostkernel"
)


def _files_of(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return [
        file for path in spec.submodule_search_locations or () for file in Path(path).rglob("*.py")
    ]


def test_three_plugins_are_bundled():
    assert BUNDLED == ["hostkernel_blender", "hostkernel_python", "hostkernel_qt"]


@pytest.mark.parametrize("package", BUNDLED)
def test_an_entry_point_loads_no_host_library(package):
    assert _loaded_by(f"import {package}") & HEAVY == set()


INSIDE_BLENDER = {"bpy", "bmesh", "gpu", "mathutils"}


def test_outside_of_blender_nothing_of_it_is_imported():
    for file in _files_of("hostkernel_blender.outside"):
        used = set(imports(_parse(file), "hostkernel_blender.outside", is_package=True))
        assert {name.partition(".")[0] for name in used} & INSIDE_BLENDER == set(), file
        assert not any("inside" in name.split(".") for name in used), file


def test_inside_of_blender_nothing_is_looked_for():
    for file in _files_of("hostkernel_blender.inside"):
        used = set(imports(_parse(file), "hostkernel_blender.inside", is_package=True))
        assert not any("outside" in name.split(".") for name in used), file


@pytest.mark.parametrize("package", BUNDLED)
def test_a_plugin_uses_only_what_is_public(package):
    files = _files_of(package)
    assert files
    used = {name for file in files for name in imports(_parse(file), package, is_package=True)}
    ours = {name for name in used if name.partition(".")[0] == "hostkernel"}
    assert ours <= PUBLIC_TO_PLUGINS
