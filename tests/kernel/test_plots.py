"""matplotlib draws under the cell, unless the host draws by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.live import cell, control, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.live import LiveHost

PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2]); None"


@pytest.fixture(scope="module")
def plotting(live: Callable[..., LiveHost]) -> LiveHost:
    """A host for the tests below, in their order: matplotlib is imported once."""
    return live("pumped")


def pictures(host: LiveHost, code: str = PLOT) -> int:
    reply = cell(host.client(), code)
    assert reply.status == "ok", reply.content["traceback"]
    shown = [m["content"]["data"] for m in reply.messages if m["msg_type"] == "display_data"]
    return sum("image/png" in data for data in shown)


def test_a_figure_is_shown_under_its_cell(plotting: LiveHost) -> None:
    plotting.start()
    assert pictures(plotting) == 1
    assert pictures(plotting, "None") == 0


def test_the_environment_is_as_it_was(plotting: LiveHost) -> None:
    assert plotting.do("import os; os.environ.get('MPLBACKEND')") is None
    code = "import subprocess as s; s.check_output('echo $MPLBACKEND', shell=True)"
    assert value(plotting.client(), code) == r"b'\n'"


def test_after_a_restart_too(plotting: LiveHost) -> None:
    assert control(plotting.client(), "shutdown_request", restart=True)["status"] == "ok"
    assert pictures(plotting) == 1


def test_after_a_stop_the_shell_is_let_go_of(plotting: LiveHost) -> None:
    plotting.drop_clients()
    assert plotting.stop() == []
    code = """
import gc
from ipykernel.zmqshell import ZMQInteractiveShell
gc.collect()
[type(found).__name__ for found in gc.get_objects() if isinstance(found, ZMQInteractiveShell)]
"""
    assert plotting.do(code) == []
    plotting.start()
    assert pictures(plotting) == 1


def test_a_host_that_has_matplotlib_has_chosen(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do("import matplotlib; matplotlib.use('svg')")
    host.start()
    assert pictures(host) == 0
    assert value(host.client(), "import matplotlib; matplotlib.get_backend()") == "'svg'"


def test_a_host_that_has_named_its_backend_has_chosen(live: Callable[..., LiveHost]) -> None:
    host = live("pumped", MPLBACKEND="svg")
    host.start()
    assert pictures(host) == 0
    assert value(host.client(), "plt.get_backend()") == "'svg'"


def test_asked_for_it_draws_inline_all_the_same(live: Callable[..., LiveHost]) -> None:
    host = live("pumped", MPLBACKEND="svg")
    host.start()
    assert pictures(host, f"%matplotlib inline\n{PLOT}") == 1


def test_the_table_that_ipython_has_dropped_is_there_while_a_kernel_runs(
    live: Callable[..., LiveHost],
) -> None:
    host = live("pumped")
    code = "from IPython.core import pylabtools; hasattr(pylabtools, 'backend2gui')"
    before = host.do(code)
    host.start()
    assert value(host.client(), "from IPython.core.pylabtools import backend2gui as b; b['QtAgg']")
    host.drop_clients()
    assert host.stop() == []
    assert host.do(code) == before
