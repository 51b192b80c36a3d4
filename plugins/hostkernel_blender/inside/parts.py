"""The parts of Blender's data in a value, and the data-blocks that own them. Inside only."""

from __future__ import annotations

import collections
import ctypes
import gc
import itertools
import types
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import bpy
import mathutils

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Owners", "is_a", "is_dead", "is_of_interest", "is_part", "of_interest", "parts"]

K = TypeVar("K")

_ID = bpy.types.ID  # Each attribute access on bpy.types is a search.
_STRUCT = bpy.types.bpy_struct
_STAYS = (bpy.types.Context, bpy.types.BlendData, bpy.types.Preferences)
_OF_WINDOWS = (bpy.types.WindowManager, bpy.types.Screen, bpy.types.WorkSpace)
_WITH_OWNER = (
    _STRUCT,
    type(bpy.data.objects).__mro__[-2],  # any property
    type(bpy.data.objects.new),  # a Blender function, bound to its data
    type(iter(bpy.data.objects)),
)
_MATHUTILS = (
    mathutils.Color,
    mathutils.Euler,
    mathutils.Matrix,
    mathutils.Quaternion,
    mathutils.Vector,
)
# These types cannot be imported. The names of their views and iterators begin with this word.
_CUSTOM = "IDProperty"
_CUSTOM_WITH_OWNER = ("IDPropertyGroup", "IDPropertyArray")
_EMPTY: tuple[Any, ...] = ([], (), set(), {}.keys(), {}.values(), {}.items())
_HOLDERS = (
    list,
    tuple,
    set,
    frozenset,
    dict,
    collections.deque,
    types.GeneratorType,
    types.BuiltinMethodType,
    types.MethodType,
    partial,
    enumerate,
    zip,
    map,
    filter,
    reversed,
    *(kind for kind in vars(itertools).values() if isinstance(kind, type)),
    *map(type, map(iter, _EMPTY)),
    *map(type, _EMPTY[-3:]),
    type(reversed([])),
    type(iter(mathutils.Vector())),
)
_PLAIN = frozenset(
    map(id, (bool, bytes, float, int, type, type(None), types.FunctionType, types.ModuleType))
)
_MOST_KNOWN = 512
_DEEP = 3
_FEW = 100


class _Kind(Enum):
    OTHER = auto()
    DATA_BLOCK = auto()
    PART = auto()
    MATHUTILS = auto()
    HOLDER = auto()


def is_a(value: object, *types: type) -> bool:
    """Do what isinstance() does, without asking the object: a dead one raises."""
    return issubclass(type(value), types)


def is_of_interest(value: object) -> bool:
    """Whether ``value`` can be, or hold, a data-block or a part; a fast check."""
    return _kind(type(value)) is not _Kind.OTHER


def of_interest(names: dict[K, Any]) -> list[tuple[K, Any]]:
    """Return the items of ``names`` whose values are of interest; fast, also for thousands.

    Most values are strings, since IPython keeps the source of each cell under a name, so any
    call made for each value adds up.
    """
    return [
        (name, value)
        for name, value in names.items()
        if type(value) is not str and id(type(value)) not in _PLAIN and is_of_interest(value)
    ]


def is_part(value: Any) -> bool:
    """Whether ``value`` is Blender's data, or reads and writes it, and is not a data-block."""
    kind = _kind(type(value))
    if kind is _Kind.MATHUTILS:
        return value.owner is not None or value.is_wrapped
    return kind is _Kind.PART


def is_dead(value: Any) -> bool:
    """Whether Blender has marked the data of ``value`` as removed; reads none of that data."""
    if not is_a(value, _STRUCT):
        return False
    try:
        value.as_pointer()
    except ReferenceError:
        return True
    return False


def parts(value: object, *, first: int | None = None, depth: int = _DEEP) -> Iterator[Any]:
    """Yield the data-blocks and parts that ``value`` is or holds.

    Search containers, iterators, generators and bound methods, and the first hundred such
    values inside each. Call no method of the user's, and advance no iterator.

    Args:
        value: anything.
        first: how many items of a container to look at; by default all.
        depth: how many levels of nesting to search.
    """
    kind = _kind(type(value))
    if kind is _Kind.DATA_BLOCK or is_part(value):
        yield value
    elif kind is _Kind.HOLDER and depth:
        items = _items(value, first)
        present = {id(of): of for of in map(type, items)}
        kinds = {number: _kind(of) for number, of in present.items()}
        yield from _of_kinds(items, kinds, _Kind.DATA_BLOCK, _Kind.PART)
        yield from filter(is_part, _of_kinds(items, kinds, _Kind.MATHUTILS))
        for item in islice(_of_kinds(items, kinds, _Kind.HOLDER), _FEW):
            yield from parts(item, first=_FEW, depth=depth - 1)


def _items(value: Any, first: int | None) -> list[Any]:
    for of, each in _QUICK:
        if is_a(value, of):
            return list(islice(each(value), first))
    return gc.get_referents(value)[:first]


def _keys_and_values(value: dict[Any, Any]) -> Iterator[Any]:
    return chain.from_iterable(dict.items(value))


# Iterate over these: a long container is not copied for its first items.
_QUICK: tuple[tuple[type, Callable[[Any], Iterator[Any]]], ...] = (
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
    (dict, _keys_and_values),
)


def _of_kinds(items: list[Any], kinds: dict[int, _Kind], *wanted: _Kind) -> Iterator[Any]:
    # Skip a long list that holds none of the wanted kinds.
    numbers = {number for number, kind in kinds.items() if kind in wanted}
    return (item for item in items if id(type(item)) in numbers) if numbers else iter(())


_known: dict[int, tuple[type, _Kind]] = {}


def _kind(of: type) -> _Kind:
    # Keyed by identity: a type of the user's need not be hashable.
    known = _known.get(id(of))
    if known is None:
        if len(_known) == _MOST_KNOWN:
            _known.clear()
        known = _known[id(of)] = (of, _classify(of))
    return known[1]


def _classify(of: type) -> _Kind:
    if issubclass(of, _ID):
        return _Kind.DATA_BLOCK
    if issubclass(of, _MATHUTILS):
        return _Kind.MATHUTILS
    if issubclass(of, _WITH_OWNER) or of.__name__.startswith(_CUSTOM):
        return _Kind.OTHER if issubclass(of, _STAYS) else _Kind.PART
    return _Kind.HOLDER if issubclass(of, _HOLDERS) else _Kind.OTHER


# Owners

_NOWHERE = 0


def _address_of_owner(part: Any) -> int:
    """Return the address of the data-block that owns ``part``, ``_NOWHERE`` if none or unknown.

    ``part.id_data`` reads the memory at that address, which may be freed. The address itself is
    in the Python object, but undocumented: all of these objects begin with it (``PointerRNA``).
    """
    while is_a(part, *_MATHUTILS):
        part = part.owner
    if not _is_layout_known():
        return _NOWHERE
    if is_a(part, *_WITH_OWNER):
        return _first_word(part)
    if type(part).__name__ in _CUSTOM_WITH_OWNER:
        return _first_word(part, tuple.__basicsize__)
    return _NOWHERE


@cache
def _is_layout_known() -> bool:
    scene = bpy.data.scenes[0]
    layers = scene.view_layers
    owned = (scene.render, layers, iter(layers), scene.cursor.location.owner)
    are_first = {_first_word(each) for each in owned} == {scene.as_pointer()}
    return are_first and _first_word(bpy.data.objects) == _NOWHERE


def _first_word(part: Any, header: int = object.__basicsize__) -> int:
    word: int = ctypes.c_size_t.from_address(id(part) + header).value
    return word


class Owners:
    """The data-block that owns each part, remembered as long as the part is looked at.

    Blender marks the Python object of a removed data-block as dead, but not the parts of the
    data-block. So the owner is looked up once, by its address, among those that exist then.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}
        self._seen: dict[int, tuple[Any, Any]] = {}
        self._living: dict[int, Any] | None = None

    @contextmanager
    def look(self, values: Iterable[Any]) -> Iterator[None]:
        """Remember the owners of the parts asked for in this context, and forget all others.

        Args:
            values: the data-blocks among them may own parts even if the document does not
                contain them, such as the mesh that ``to_mesh`` returns.
        """
        self._held = [value for value in values if is_a(value, _ID) and not is_dead(value)]
        try:
            yield
        finally:
            self._known, self._seen = self._seen, {}
            self._living = None
            self._held = []

    def forget(self) -> None:
        """Forget all owners: no part is looked at any more."""
        self._known = {}

    def lives(self, part: Any) -> bool:
        """Whether the data-block that owns ``part`` exists, or ``part`` has no owner."""
        owner = self._owner(part)
        return owner is not _GONE and not is_dead(owner)

    def is_windows(self, part: Any) -> bool:
        """Whether ``part`` belongs to the data of windows, which an undo does not touch."""
        return is_a(self._owner(part), *_OF_WINDOWS)

    def _owner(self, part: Any) -> Any:
        known = self._known.get(id(part))
        if known is None:
            address = _address_of_owner(part)
            owner = None if address == _NOWHERE else self._living_blocks().get(address, _GONE)
            known = (part, owner)
        self._seen[id(part)] = known
        return known[1]

    def _living_blocks(self) -> dict[int, Any]:
        if self._living is None:
            blocks = chain(_blocks(), _evaluated(), self._held)
            self._living = {block.as_pointer(): block for block in blocks}
        return self._living


_GONE = object()


def _blocks() -> Iterator[Any]:
    """Yield all data-blocks of the document, including those inside others."""
    for kind in bpy.data.bl_rna.properties:
        if kind.type == "COLLECTION":
            for block in getattr(bpy.data, kind.identifier):
                yield from _with_inner(block, "node_tree", "collection")


def _evaluated() -> Iterator[Any]:
    """Yield the evaluated data-blocks that Blender has made of those of the document."""
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            if layer.depsgraph is not None:
                for block in layer.depsgraph.ids:
                    yield from _with_inner(block, "node_tree", "collection", "data")


def _with_inner(block: Any, *names: str) -> Iterator[Any]:
    yield block
    kind: Any = type(block)
    for name in _existing(kind, names):
        inner = getattr(block, name)
        if is_a(inner, _ID):
            yield inner


@cache
def _existing(kind: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in kind.bl_rna.properties)
