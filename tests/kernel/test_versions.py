"""The tests are of the ipykernel that is installed here, not of another."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from support.live import value

if TYPE_CHECKING:
    from support.live import LiveHost


def test_the_host_has_the_same(host: LiveHost) -> None:
    host.start()
    assert value(host.client(), "import ipykernel; print(ipykernel.__version__)").strip() == (
        version("ipykernel")
    )
