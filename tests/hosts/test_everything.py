"""Everything that a kernel does, done inside each of the hosts that come with hostkernel."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.debugging import Debugging, stop_step_and_look
from support.live import busy, cell, control, finish, value
from support.runs import SECONDS, Run, wait_for

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

# A window draws itself before anything else, which takes its time without a graphics card.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow(110)]


def ask(client: BlockingKernelClient, request: str) -> dict[str, Any]:
    """The content of the reply to a request on the shell channel."""
    while True:
        reply = client.get_shell_msg(timeout=SECONDS)
        if reply["parent_header"]["msg_id"] == request:
            return dict(reply["content"])


def test_completion(client: BlockingKernelClient) -> None:
    value(client, "class Thing:\n    size = 1\na_thing_of_mine = Thing()")
    assert ask(client, client.complete("a_thing_o"))["matches"] == ["a_thing_of_mine"]
    [found] = ask(client, client.complete("a_thing_of_mine.si"))["matches"]
    assert found in {"size", "a_thing_of_mine.size"}  # one completer says more than another
    assert "%timeit" in ask(client, client.complete("%timei"))["matches"]


def test_inspection(client: BlockingKernelClient) -> None:
    value(client, "def half(x):\n    'Half of it.'\n    return x / 2")
    found = ask(client, client.inspect("half"))
    assert found["found"]
    assert "Half of it." in found["data"]["text/plain"]
    # With the source, which lies in no file.
    found = ask(client, client.inspect("half", detail_level=1))
    assert "return x / 2" in re.sub(r"\x1b\[[\d;]*m", "", found["data"]["text/plain"])
    assert not ask(client, client.inspect("nobody_is_called_so"))["found"]


def test_history(client: BlockingKernelClient) -> None:
    value(client, "'one of a kind'")
    found = ask(client, client.history(hist_access_type="tail", n=1, raw=True, output=False))
    assert found["history"][-1][2] == "'one of a kind'"
    found = ask(client, client.history(hist_access_type="search", pattern="*of a k*", raw=True))
    assert found["history"][-1][2] == "'one of a kind'"
    assert "one of a kind" in value(client, "%history -l 1")


def test_the_session_as_a_notebook(client: BlockingKernelClient) -> None:
    """With its errors as they were shown."""
    shown = cell(client, "1 / 0").content["traceback"]
    value(client, "%notebook session.ipynb")
    saved = json.loads(value(client, "print(open('session.ipynb').read())"))
    outputs = [output for cell in saved["cells"] for output in cell["outputs"]]
    [error] = [output for output in outputs if output["output_type"] == "error"]
    assert error["traceback"] == shown


def test_the_history_outlives_what_it_cannot_keep(
    client: BlockingKernelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As browsers write it.
    monkeypatch.setattr(client.session, "pack", lambda it: json.dumps(it, default=str).encode())
    assert cell(client, "'half a pair: \ud83d'").ename == "UnicodeEncodeError"
    session = value(client, "get_ipython().history_manager.session_number")
    value(client, "'after that'")
    found = ask(client, client.history(hist_access_type="tail", n=1, raw=True, output=False))
    assert found["history"][-1][2] == "'after that'"
    saver = "get_ipython().history_manager.save_thread.is_alive()"
    assert value(client, f"{session}, {saver}") == f"({session}, True)"


@pytest.mark.parametrize(
    ("code", "hidden"), [("input('who? ')", False), ("__import__('getpass').getpass()", True)]
)
def test_questions(client: BlockingKernelClient, code: str, hidden: bool) -> None:
    request = client.execute(code, allow_stdin=True)
    question = client.get_stdin_msg(timeout=SECONDS)["content"]
    assert question["password"] is hidden
    client.input("an answer")
    assert finish(client, request).text == "'an answer'"


def test_pdb(client: BlockingKernelClient) -> None:
    action = "import signal; signal.getsignal(signal.SIGINT)"
    before = value(client, action)
    request = client.execute("here = 41\nbreakpoint()\nhere", allow_stdin=True)
    for answer in ("here += 1", "continue"):
        assert client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "ipdb> "
        client.input(answer)
    assert finish(client, request).text.endswith("42")
    # Which the debugger would take for itself from its first "continue" on.
    assert value(client, action) == before


def test_pickle(client: BlockingKernelClient) -> None:
    code = """
import copy, pickle
class Own:
    def __init__(self, size): self.size = size
class Inner(Own): pass
def double(own): return own.size * 2
again = pickle.loads(pickle.dumps([Own(1), Inner(2), double]))
[type(again[0]) is Own, type(again[1]) is Inner, again[2](again[1]), copy.deepcopy(Own(3)).size]
"""
    assert value(client, code) == "[True, True, 4, 3]"


# What the host itself does goes on while a cell awaits.
HOST_GOES_ON = {
    "qt": "import __main__\ncount = lambda: __main__.beats",
    "window": """
turns = []
bpy.app.timers.register(lambda: turns.append(1) or 0.01)
count = lambda: len(turns)
""",
}
LOOP_GOES_ON = """
beats = []
async def beat():
    while True:
        beats.append(1)
        await asyncio.sleep(0.01)
beating = asyncio.create_task(beat())
count = lambda: len(beats)
"""


def test_await_leaves_the_host_alive(client: BlockingKernelClient, kind: str) -> None:
    value(client, "import asyncio\n" + HOST_GOES_ON.get(kind, LOOP_GOES_ON))
    code = """
before = count()
while count() < before + 5:
    await asyncio.sleep(0.01)
'alive'
"""
    assert value(client, code) == "'alive'"
    if kind not in HOST_GOES_ON:
        value(client, "beating.cancel()")


def test_widgets(client: BlockingKernelClient) -> None:
    code = """
import ipywidgets
slider = ipywidgets.IntSlider(value=3)
seen = []
slider.observe(lambda change: (seen.append(change.new), print("heard", change.new)), "value")
slider
"""
    request = client.execute(code)
    opened, shown = [], []
    while not shown:
        message = client.get_iopub_msg(timeout=SECONDS)
        opened += [message["content"]] * (message["msg_type"] == "comm_open")
        shown += [message["content"]] * (message["msg_type"] == "execute_result")
    assert ask(client, request)["status"] == "ok"
    model = shown[0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    [state] = [each["data"]["state"] for each in opened if each["comm_id"] == model]
    assert state["value"] == 3

    update = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    message = client.session.msg("comm_msg", {"comm_id": model, "data": update})
    client.shell_channel.send(message)
    deadline = time.monotonic() + SECONDS
    while client.get_iopub_msg(timeout=SECONDS)["content"].get("text") != "heard 42\n":
        assert time.monotonic() < deadline
    assert value(client, "slider.value, seen") == "(42, [42])"

    changed = [
        message["content"]["data"]["state"]["value"]
        for message in cell(client, "slider.value = 7").messages
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == model
    ]
    assert changed == [7]


def can_step(kind: str) -> bool:
    """PySide makes ``__import__`` a function of Python's, in which debugpy's own imports end a
    step, far from the cell. It is the same in a stock kernel that has imported PySide.
    """
    return kind != "qt"


def test_the_visual_debugger(client: BlockingKernelClient, kind: str) -> None:
    assert "debugger" in ask(client, client.kernel_info())["supported_features"]
    stop_step_and_look(client, step=can_step(kind))
    assert value(client, "1 + 1") == "2"


def test_the_visual_debugger_attaches_while_a_cell_sleeps(
    client: BlockingKernelClient, kind: str
) -> None:
    request = busy(client, "import time; print('started', flush=True)\nwhile 1: time.sleep(0.1)")
    debugging = Debugging(client)
    debugging.attach()
    control(client, "interrupt_request")
    assert finish(client, request).ename == "KeyboardInterrupt"
    debugging.ask("disconnect", restart=False, terminateDebuggee=False)
    stop_step_and_look(client, step=can_step(kind))


def test_autoawait(client: BlockingKernelClient) -> None:
    awaits = "import asyncio; await asyncio.sleep(0, 'awaited')"
    assert "on" in value(client, "%autoawait")
    value(client, "%autoawait False")
    assert cell(client, awaits).ename == "SyntaxError"
    value(client, "%autoawait True")
    assert value(client, awaits) == "'awaited'"


def test_timeit(client: BlockingKernelClient) -> None:
    assert "per loop" in value(client, "%timeit -n 2 -r 2 sum(range(10))")
    assert "per loop" in value(client, "%%timeit -n 2 -r 2\nsum(range(10))")
    assert "Wall time" in value(client, "%time sum(range(10))")


def test_the_shell(client: BlockingKernelClient) -> None:
    assert value(client, "!echo from the shell").split() == ["from", "the", "shell"]
    assert value(client, "lines = !printf 'a\\nb\\n'\nlist(lines)") == "['a', 'b']"
    assert value(client, "%%bash\necho from bash") == "from bash\n"
    assert value(client, "!exit 3\n_exit_code") == "3"


OWN_LOOPS = {"qt": ("qt", "qt6", "qt5")}
FOREIGN = ("tk", "qt", "gtk3", "osx")


def test_gui(client: BlockingKernelClient, kind: str) -> None:
    own = OWN_LOOPS.get(kind, ())
    for name in own:
        assert value(client, f"%gui {name}\n1") == "1"
    for name in set(FOREIGN) - set(own):
        refusal = f"%gui {name} would start a second event loop inside"
        assert refusal in value(client, f"%gui {name}")
    assert value(client, "%gui\n1") == "1"


def test_a_second_client_sees_the_same(client: BlockingKernelClient, each: Run) -> None:
    value(client, "common = 1")
    assert value(each.client(), "common + 1") == "2"


def test_at_last_a_cell_stops_the_kernel(
    client: BlockingKernelClient, each: Run, kind: str
) -> None:
    """The last test of each host. First comes the answer, then the end, for the kernel alone."""
    host = psutil.Process(each.host_pid())
    reply = cell(client, "import hostkernel; hostkernel.stop(); 'answered'")
    assert (reply.status, reply.text) == ("ok", "'answered'")
    wait_for(lambda: not each.files(), "the end of the kernel")
    if kind in HOST_GOES_ON:
        assert host.status() != psutil.STATUS_ZOMBIE
        assert each.process.poll() is None
    else:  # it did nothing but serve the kernel
        assert each.end() == 0
