"""``hostkernel exec``: output as it comes, input, errors, interrupts, kernels that go away."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from launch.world import World, odd_options, wait_for

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home in which one python kernel runs."""
    world = World(tmp_path_factory.mktemp("python"))
    world.detach()
    yield world
    world.close()


def test_output_goes_where_it_belongs(python: World) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); 6 * 7"
    result = python.run("exec", "-c", code)
    assert result.returncode == 0
    assert result.stdout == "out\n42\n"
    assert result.stderr == "err\n"


def test_output_appears_as_it_comes(python: World) -> None:
    cell = python.start(
        "exec", "-c", "print('first', end='', flush=True); answer = input(); print(answer)"
    )
    cell.until("first")
    assert cell.process.poll() is None
    cell.type("second\n")
    assert cell.end() == 0
    assert cell.stdout == "firstsecond\n"


def test_the_namespace_is_shared_from_cell_to_cell(python: World) -> None:
    python.exec("kept = 41")
    assert python.exec("print(kept + 1)") == "42"


def test_a_display_is_shown_as_text(python: World) -> None:
    assert python.exec("from IPython.display import HTML; display(HTML('<p>'), 7)").endswith("7")


def test_a_failing_cell(python: World) -> None:
    result = python.run("exec", "-c", "print('before')\n1 / 0")
    assert result.returncode == 1
    assert result.stdout == "before\n"
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("code", ["def", "import sys; sys.exit(3)", "%nosuchmagic", "raise"])
def test_other_failing_cells(python: World, code: str) -> None:
    result = python.run("exec", "-c", code)
    assert result.returncode == 1
    assert result.stderr
    assert python.exec("print('alive')") == "alive"


def test_as_json(python: World) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); display(1); 6 * 7"
    done = python.run("exec", "-c", code, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert said.pop("kernel") == python.kernels()[0]["id"]
    results = [{"text/plain": "1"}, {"text/plain": "42"}]
    printed = {"stdout": "out\n", "stderr": "err\n"}
    assert said == {"status": "ok", **printed, "results": results, "error": None}

    done = python.run("exec", "-c", "print('before'); 1 / 0", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr, said["status"]) == (1, "", "error")
    assert said["stdout"] == "before\n"
    assert said["error"]["name"] == "ZeroDivisionError"
    assert "\x1b" not in said["error"]["traceback"]
    said = json.loads(python.run("exec", "-c", "input()", "--json").stdout)
    assert said["error"]["name"] == "StdinNotImplementedError"


def test_a_script_and_standard_input(python: World) -> None:
    (python.folder / "script.py").write_bytes("# coding: latin-1\nprint('ä')\n".encode("latin-1"))
    assert python.run("exec", "script.py").stdout == "ä\n"
    assert python.run("exec", "-", stdin="x = 1\nprint(x)\n").stdout == "1\n"
    assert python.run("exec", "-c", "").returncode == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-c", "1", "script.py"], "either -c CODE or a file"),
        (["-k", "python"], "either -c CODE or a file"),
        (["nothing.py"], "nothing.py cannot be read: No such file"),
        (["."], "cannot be read: Is a directory"),
        (["binary.py"], "binary.py cannot be read"),
        (["book.ipynb"], "notebook"),
        (["-c", "1", "-k", "nobody"], "no running kernel is 'nobody'; there are:"),
        (["-c", "1", "-k", ""], "no running kernel is ''"),
        (["-c", "1", "-k", "nothing.json"], "nothing.json: there is no such file"),
        (["-c", "1", "-k", "stock.json"], "not the file of a kernel of hostkernel"),
    ],
)
def test_bad_input(python: World, args: list[str], message: str) -> None:
    (python.folder / "binary.py").write_bytes(b"\xff\xfe\x00")
    (python.folder / "book.ipynb").write_text("{}")
    (python.folder / "stock.json").write_text(
        '{"ip": "127.0.0.1", "transport": "tcp", "key": "k", "shell_port": 1, "iopub_port": 2,'
        ' "stdin_port": 3, "control_port": 4, "hb_port": 5}'
    )
    result = python.run("exec", *args)
    assert result.returncode == 2
    flat = " ".join(result.stderr.replace("│", " ").split())
    assert message in flat
    assert "Traceback" not in result.stderr


def test_no_kernel_at_all(world: World) -> None:
    result = world.run("exec", "-c", "1")
    assert result.returncode == 2
    assert "no kernel is running; start one with: hostkernel run" in result.stderr


def test_input_is_answered_from_here(python: World) -> None:
    code = "name = input('name? '); print('hello', name)"
    result = python.run("exec", "-c", code, stdin="world\n")
    assert result.stdout == "name? hello world\n"
    result = python.run("exec", "-c", code, stdin="")
    assert result.returncode == 1
    assert "EOFError" in result.stderr


def test_code_from_standard_input_cannot_ask(python: World) -> None:
    result = python.run("exec", "-", stdin="input()")
    assert result.returncode == 1
    assert "StdinNotImplementedError" in result.stderr


def test_ctrl_c_interrupts_the_cell(python: World) -> None:
    cell = python.start("exec", "-c", "import time; print('busy', flush=True); time.sleep(1000)")
    cell.until("busy")
    cell.interrupt()
    assert cell.end() == 1
    assert "KeyboardInterrupt" in cell.stderr
    assert python.exec("print('alive')") == "alive"


def test_ctrl_c_interrupts_a_cell_that_waits_for_input(python: World) -> None:
    cell = python.start("exec", "-c", "input('well? ')")
    cell.until("well? ")
    cell.interrupt()
    assert cell.end() == 1
    assert python.exec("print('alive')") == "alive"


def test_ctrl_c_leaves_the_cells_of_others_alone(python: World) -> None:
    go = python.folder / "go"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    first = python.start("exec", "-c", f"print('busy', flush=True)\n{wait}\nprint('done')")
    first.until("busy")
    second = python.start("exec", "-c", "print('second')")
    port = ConnectionInfo.read(Path(python.kernels()[0]["connection_file"])).shell_port

    def is_there() -> bool:
        found = psutil.Process(second.process.pid).net_connections()
        return port in {each.raddr.port for each in found if each.raddr}

    wait_for(is_there, "the second client")
    second.interrupt()
    assert second.end() == 130
    go.touch()
    assert first.end() == 0
    assert first.stdout == "busy\ndone\n"


def test_an_error_of_another_client_does_not_swallow_the_cell(python: World) -> None:
    """A stock client's failing cell aborts all that waits behind it."""
    from jupyter_client.blocking.client import BlockingKernelClient

    stock = BlockingKernelClient(connection_file=python.kernels()[0]["connection_file"])
    stock.load_connection_file()
    stock.start_channels()
    try:
        stock.wait_for_ready(timeout=30)
        stock.execute("import time; time.sleep(1.5); 1 / 0")
        result = python.run("exec", "-c", "print('not lost')")
        assert result.stdout == "not lost\n"
        assert result.returncode == 0
    finally:
        stock.stop_channels()


def test_a_kernel_that_dies_meanwhile(world: World) -> None:
    world.detach()
    cell = world.start("exec", "-c", "import time; print('busy', flush=True); time.sleep(1000)")
    cell.until("busy")
    os.kill(world.kernels()[0]["pid"], signal.SIGKILL)
    assert cell.end() == 1
    assert "it is gone; its host may have ended or crashed" in cell.stderr


def test_a_kernel_that_is_stopped_meanwhile(world: World) -> None:
    world.detach()
    cell = world.start("exec", "-c", "import time; print('busy', flush=True); time.sleep(1000)")
    cell.until("busy")
    assert world.run("stop").returncode == 0
    assert cell.end() == 1
    assert "KeyboardInterrupt" in cell.stderr


def test_a_cell_that_ends_its_host(world: World) -> None:
    world.detach()
    result = world.run("exec", "-c", "import os; os._exit(0)")
    assert result.returncode == 1
    assert "it is gone" in result.stderr
    assert world.kernels() == []


def test_over_ipv6_and_encrypted(world: World) -> None:
    settings = ("connection.ip=::1", "connection.encryption=required")
    world.detach("--set", settings[0], "--set", settings[1])
    assert world.exec("print(6 * 7)") == "42"
    assert world.run("stop").returncode == 0
    wait_for(world.is_empty, "the end of the host")


def test_a_kernel_is_named_by_id_host_or_pid(world: World) -> None:
    first = world.detach()
    second = world.detach(*odd_options())
    pids = {kernel["id"]: kernel["pid"] for kernel in world.kernels()}
    ask = "import os; print(os.getpid())"
    for name in (first[:8], first, str(pids[first]), "python", f"kernel-{first}.json"):
        assert world.exec(ask, "-k", name) == str(pids[first])
    assert world.exec(ask, "-k", "odd") == str(pids[second])
    result = world.run("exec", "-c", "1")
    assert result.returncode == 2
    assert "several kernels are running; name one by id, host, pid or title:" in result.stderr
    assert first in result.stderr
    assert second in result.stderr


def test_a_name_that_fits_several(world: World) -> None:
    world.detach()
    world.detach()
    result = world.run("exec", "-c", "1", "-k", "python")
    assert result.returncode == 2
    assert "'python' fits several kernels:" in result.stderr
