"""IPython's history: written when the client has its answer, lost by nobody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from IPython.core.interactiveshell import InteractiveShellABC
from support.live import finish, value
from support.runs import wait_for

from hostkernel.kernel.ipython import history
from hostkernel.kernel.ipython.history import HostHistory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.live import LiveHost


class Shell(InteractiveShellABC):
    """What a history needs of one."""

    def push(self, names: dict[str, str], interactive: bool) -> None:
        pass


def history_in(folder: Path) -> HostHistory:
    return HostHistory(shell=Shell(), hist_file=str(folder / "history.sqlite"))


def written(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as base:
        return [source for (source,) in base.execute("SELECT source FROM history ORDER BY line")]


@pytest.fixture
def unhurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostHistory]:
    """A history whose thread would wait for an hour."""
    monkeypatch.setattr(history, "_LATER", 3600)
    with closing(history_in(tmp_path)) as made:
        yield made


def enter(made: HostHistory, *sources: str) -> None:
    for source in sources:
        made.store_inputs(len(made.input_hist_raw), source)


def test_several_cells_are_one_write(unhurried: HostHistory, tmp_path: Path) -> None:
    commits: list[str] = []
    thread = unhurried.save_thread
    assert thread is not None
    wait_for(lambda: thread.db is not None, "the thread that writes")
    assert thread.db is not None
    thread.db.set_trace_callback(commits.append)
    enter(unhurried, "first")
    wait_for(lambda: not thread.save_flag.is_set(), "the thread to hear of it")
    enter(unhurried, "second", "third", "fourth", "fifth")
    assert written(tmp_path / "history.sqlite") == []
    unhurried._hurry.set()
    wait_for(lambda: len(written(tmp_path / "history.sqlite")) == 5, "all of them")
    assert commits.count("COMMIT") == 1


def test_who_reads_it_finds_all_of_it(unhurried: HostHistory, tmp_path: Path) -> None:
    enter(unhurried, "first", "second")
    assert written(tmp_path / "history.sqlite") == []
    found = [source for _, _, source in unhurried.search("*")]
    assert found == ["first", "second"]


def test_the_end_of_the_session_writes_it(unhurried: HostHistory, tmp_path: Path) -> None:
    enter(unhurried, "first", "second")
    thread = unhurried.save_thread
    unhurried.end_session()
    unhurried.close()  # joins the thread, which would sleep for the hour
    assert thread is not None
    assert not thread.is_alive()
    assert written(tmp_path / "history.sqlite") == ["first", "second"]


def test_behind_a_fork_it_goes_on(unhurried: HostHistory, tmp_path: Path) -> None:
    enter(unhurried, "first")
    HostHistory._stop_thread()  # what os.fork() calls
    assert unhurried.save_thread is None
    enter(unhurried, "second")
    assert not unhurried._hurry.is_set()
    assert unhurried.save_thread is not None
    assert unhurried.save_thread.is_alive()
    unhurried.end_session()
    assert written(tmp_path / "history.sqlite") == ["first", "second"]


def test_to_write_it_later_is_no_step_of_the_cell(host: LiveHost) -> None:
    """What a newer cell's function prints would be shown under the older cell."""
    host.do("class Fragile(LiveHost): undisturbed = True")
    host.start("host=Fragile")
    client = host.client()
    value(client, "1")
    newest = client.execute("kept = 'by the newest'")
    finish(client, newest)
    place = host.do("str(manager._embedding.kernel.shell.history_manager.hist_file)")
    wait_for(lambda: "kept = 'by the newest'" in written(place), "the cell in the history")
    assert host.do("manager._embedding.threads.latest['msg_id']") == newest


@pytest.mark.parametrize("undisturbed", [False, True])
def test_a_cell_is_written_soon(host: LiveHost, undisturbed: bool) -> None:
    host.do(f"class Asked(LiveHost): undisturbed = {undisturbed}")
    host.start("host=Asked")
    client = host.client()
    value(client, "kept = 'by the thread, unasked'")
    place = host.do("str(manager._embedding.kernel.shell.history_manager.hist_file)")
    wait_for(lambda: "kept = 'by the thread, unasked'" in written(place), "the cell in the history")
