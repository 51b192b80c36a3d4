"""The clock of the kernel, which keeps time whatever cells do to :mod:`time`.

freezegun stops the clock of a whole process: it puts its own functions into :mod:`time` and
into every loaded module that holds one of the real ones. This module loads a second copy of
:mod:`time`, whose functions freezegun does not look for. Rejected: ``from time import
monotonic``, also under another name, because freezegun replaces such a reference.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["monotonic", "sleep"]


def _copy_of_time() -> ModuleType:
    spec = importlib.util.find_spec("time")
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


_time = _copy_of_time()
monotonic: Callable[[], float] = _time.monotonic
sleep: Callable[[float], None] = _time.sleep
