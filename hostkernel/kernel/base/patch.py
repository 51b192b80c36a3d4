"""One attribute of an object, replaced for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patch"]


class Patch:
    """One attribute of an object, replaced until :meth:`close`.

    Args:
        owner: the object.
        name: the attribute's name.
        make: makes the replacement from the current value. The replacement may be called even
            after :meth:`close`, if other code has wrapped it.
    """

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._owner = owner
        self._name = name
        self._had_own = name in vars(owner)
        self._before = vars(owner)[name] if self._had_own else None
        setattr(owner, name, make(getattr(owner, name)))
        self._ours = vars(owner)[name]

    def close(self) -> str | None:
        """Put back what was there; if other code has replaced it, only return a sentence."""
        if vars(self._owner).get(self._name) is not self._ours:
            owner = getattr(self._owner, "__qualname__", type(self._owner).__qualname__)
            return f"{owner}.{self._name} was changed by somebody else and is left as it is"
        if self._had_own:
            setattr(self._owner, self._name, self._before)
        else:
            delattr(self._owner, self._name)
        return None
