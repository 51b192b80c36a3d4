"""``kernel.echo``: the host's console shows what a cell's client sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.live import cell, value
from support.runs import SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.live import LiveHost

ECHO = "kernel={'echo': True}"


def test_what_is_printed(each_host: LiveHost) -> None:
    each_host.start(ECHO)
    since = len(each_host.output)
    code = "import sys; print('to-stdout', flush=True); print('to-stderr', file=sys.stderr)"
    assert value(each_host.client(), code).split() == ["to-stdout", "to-stderr"]
    each_host.beside("import sys; sys.stdout.flush()")
    wait_for(lambda: "to-stderr" in each_host.output[since:], "the echo")
    wait_for(lambda: "to-stdout" in each_host.output[since:], "the echo")
    assert each_host.output[since:].count("to-stdout") == 1


def test_results_displays_and_errors(host: LiveHost) -> None:
    host.start(ECHO)
    since = len(host.output)
    client = host.client()
    value(client, "6 * 7")
    value(client, "display('shown'); None")
    assert cell(client, "1 / 0").ename == "ZeroDivisionError"
    host.do("import sys; sys.stdout.flush(); sys.stderr.flush()")
    shown = host.output[since:]
    assert "Out[1]: 42\n" in shown
    assert "'shown'\n" in shown
    assert "ZeroDivisionError" in shown


def test_a_console_that_is_broken_or_absent(live: Callable[..., LiveHost]) -> None:
    host = live("pumped")
    host.do(
        """
import sys
class Broken:
    def write(self, text): raise OSError("broken")
    def flush(self): raise OSError("broken")
before, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), Broken(), None
"""
    )
    host.start(ECHO)
    client = host.client()
    assert value(client, "print('seen')") == "seen\n"
    assert cell(client, "1 / 0").ename == "ZeroDivisionError"
    host.drop_clients()
    assert host.stop() == []
    host.do("sys.stdout, sys.stderr = before")


def test_no_echo_unless_asked(host: LiveHost, capfd: Any) -> None:
    host.start()
    # In its debug mode asyncio says so of a step that takes long on a busy machine.
    host.do(f"manager._embedding.driver.loop.slow_callback_duration = {SECONDS}")
    since = len(host.output)
    value(host.client(), "print('to the client alone'); 6 * 7")
    host.do("import sys; sys.stdout.flush(); print('mark', flush=True)")
    assert host.output[since:] == "mark\n"
