"""Programs whose threads are no threads: the kernel says so in place of hanging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PATCHES = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all({})",
    "eventlet": "import eventlet; eventlet.monkey_patch({})",
}
START = """
facts = {"python": sorted(t.name for t in threading.enumerate())}
try:
    hostkernel.start()
except hostkernel.HostVetoError as error:
    facts["veto"] = str(error)
facts["after"] = sorted(t.name for t in threading.enumerate())
tell(running=hostkernel.current() is not None, **facts)
"""
QUIET = "import warnings; warnings.simplefilter('ignore')"
SOME = "thread=False, socket=False, select=False"


@pytest.mark.parametrize("library", PATCHES)
def test_a_patched_program_is_refused_before_anything_is_touched(
    told: Callable[..., dict[str, Any]], library: str
) -> None:
    facts = told(
        f"import warnings; warnings.simplefilter('ignore'); {PATCHES[library].format('')}\n{START}"
    )
    assert f"{library} has patched" in facts["veto"]
    assert SOME in facts["veto"]
    assert facts["python"] == facts["after"]
    assert not facts["running"]


def test_the_cure_works(told: Callable[..., dict[str, Any]]) -> None:
    patch = PATCHES["gevent"].format(SOME)
    facts = told(
        f"{patch}\nkernel = hostkernel.start()\n"
        "tell(seen=drive(kernel, '6 * 7'), left=kernel.stop().left)\n"
    )
    assert facts["seen"] == [["ok", None, "42"]]
    assert facts["left"] == []
