"""``hostkernel exec``: output as it comes, input, errors, interrupts, kernels that go away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from support.world import World, odd_options, wait_for

from hostkernel.connection import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow(100)


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


@pytest.mark.parametrize("code", ["def", "1 / 0", "%nosuchmagic", "raise"])
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


# Scripts: what is said, and the exit status, are those of `python FILE ARGS` in the same folder.

HELPER = "def fail():\n    return {}['missing']\n"
NAMES = """
import os, sys
print(__name__, __doc__, __file__, sys.argv, sys.path[0], os.getcwd(), __spec__, __package__)
print(__builtins__.len is len if hasattr(__builtins__, "len") else __builtins__["len"] is len)
"""
PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--out')\np.parse_args()"
SCRIPTS = {
    "the names that it has": NAMES,
    "a docstring": f"'''What it is for.'''\n{NAMES}",
    "a module beside it": "import helper\nprint(helper.fail.__code__.co_filename)",
    "no result is shown": "6 * 7",
    "nothing": "",
    "main() returns nothing": "def main(): print('main')\nimport sys\nsys.exit(main())",
    "a main block": "import sys\nif __name__ == '__main__':\n    sys.exit(0)\nprint('never')",
    "a status": "import sys\nsys.exit(3)",
    "a negative status": "import sys\nsys.exit(-1)",
    "a status too large": "import sys\nsys.exit(256 + 7)",
    "a status of 256": "import sys\nsys.exit(256)",
    "a message": "import sys\nsys.exit('there is no input')",
    "an odd message": "raise SystemExit(('a', 1))",
    "exit()": "print('out')\nexit(4)",
    "quit()": "quit()",
    "its own exit()": "def exit(): print('my own')\nexit()",
    "argparse": PARSER,
    "an error": "def f(x):\n    return 1 / x\n\nprint('before')\nf(0)",
    "an error in a module": "import helper\nhelper.fail()",
    "an error from another": "try:\n    1 / 0\nexcept Exception as e:\n    raise OSError(2) from e",
    "a group of errors": "raise ExceptionGroup('both', [ValueError(1), OSError(2)])",
    "a note": "e = ValueError('no')\ne.add_note('a note')\nraise e",
    "no Python": "x = 1\nprint('no', f(:\n",
    "an indentation": "if True:\nx = 1\n",
    "a warning": "import warnings\nwarnings.warn('mind this')\nprint(1 is 1)",
    "an exit in a finally": "try:\n    1 / 0\nfinally:\n    raise SystemExit(9)",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_what_python_does(python: World, name: str) -> None:
    (python.folder / "sub").mkdir(exist_ok=True)
    (python.folder / "sub" / "helper.py").write_text(HELPER)
    (python.folder / "sub" / "job.py").write_text(SCRIPTS[name])
    args = ("sub/job.py", "one", "--two", "-k", "--", "--out")
    expected = subprocess.run(
        [sys.executable, *args],
        cwd=python.folder,
        env=python.env,
        capture_output=True,
        text=True,
        check=False,
    )
    done = python.run("exec", *args)
    assert done.returncode == expected.returncode
    assert done.stdout == expected.stdout
    assert done.stderr == expected.stderr


def test_a_script_reached_by_a_link(python: World) -> None:
    (python.folder / "real").mkdir()
    (python.folder / "real" / "beside_the_real_one.py").write_text("")
    (python.folder / "real" / "job.py").write_text("import beside_the_real_one; print(__file__)")
    (python.folder / "link.py").symlink_to(python.folder / "real" / "job.py")
    assert python.run("exec", "link.py").stdout == f"{python.folder / 'link.py'}\n"


STATE = "import sys; print(sys.argv, sys.path, '__file__' in dir(), exit, __doc__)"
ENDINGS = {
    "well": "pass",
    "by an error": "1 / 0",
    "by an exit": "sys.exit(2)",
    "with other lists": "sys.argv = []; sys.path = list(sys.path)",
    "without": "del sys.argv",
}


@pytest.mark.parametrize("end", ENDINGS)
def test_the_process_is_as_it_was_after_a_script(python: World, end: str) -> None:
    before = python.exec(STATE)
    (python.folder / "job.py").write_text(f"import sys\nkept = {end!r}\n{ENDINGS[end]}")
    python.run("exec", "job.py", "one")
    assert python.exec(STATE) == before
    assert python.exec("print(kept)") == end


def test_ctrl_c_interrupts_a_script(python: World) -> None:
    before = python.exec(STATE)
    source = "import time\nprint('busy', flush=True)\ntime.sleep(1000)\n"
    (python.folder / "job.py").write_text(source)
    script = python.start("exec", "job.py", "one")
    script.until("busy")
    script.interrupt()
    assert script.end() == 130
    lines = [line for line in script.stderr.splitlines() if set(line) - set(" ^")]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{python.folder / "job.py"}", line 3, in <module>',
        "    time.sleep(1000)",
        "KeyboardInterrupt",
    ]
    assert python.exec(STATE) == before


def test_a_script_leaves_its_names_and_uses_those_there_are(python: World) -> None:
    python.exec("given = 40")
    (python.folder / "job.py").write_text("def add(x): return given + x\n")
    assert python.run("exec", "job.py").returncode == 0
    assert python.exec("print(add(2))") == "42"
    (python.folder / "job.py").write_text("from __future__ import annotations\nx: nothing = 1")
    assert python.run("exec", "job.py").returncode == 0
    assert python.run("exec", "-c", "x: nothing = 1").returncode == 1


def test_an_error_of_what_a_script_left_names_its_lines(python: World) -> None:
    (python.folder / "job.py").write_text("def fail():\n    raise KeyError('left behind')\n")
    python.run("exec", "job.py")
    (python.folder / "job.py").unlink()
    assert "raise KeyError('left behind')" in python.run("exec", "-c", "fail()").stderr


def test_a_file_of_ipythons_syntax(python: World) -> None:
    lines = ("import asyncio, sys", "await asyncio.sleep(0)", "%env", "print(sys.argv)")
    source = "\n".join([*lines, "sys.exit(5)", "1 / 0"])
    (python.folder / "job.py").write_text(source)
    done = python.run("exec", "job.py", "one")
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.splitlines()[-1] == "['job.py', 'one']"
    (python.folder / "job.py").write_text(source.replace("sys.exit(5)", "sys.exit(0)"))
    assert python.run("exec", "job.py").returncode == 0


def test_between_the_steps_of_a_script_the_host_has_its_own(python: World) -> None:
    source = (
        "import asyncio, sys\n"
        "asyncio.get_running_loop().call_later(0.01, lambda: seen.append(list(sys.argv)))\n"
        "sys.argv.append('two'); seen = []\n"
        "while not seen: await asyncio.sleep(0.001)\n"
        "print(sys.argv, seen[0] == sys.argv)"
    )
    (python.folder / "job.py").write_text(source)
    done = python.run("exec", "job.py", "one")
    assert (done.stdout, done.stderr) == ("['job.py', 'one', 'two'] False\n", "")


def test_arguments_of_code_and_of_standard_input(python: World) -> None:
    show = "import sys; print(__name__, sys.argv)"
    assert python.run("exec", "-c", show, "a", "--b").stdout == "__main__ ['-c', 'a', '--b']\n"
    assert python.run("exec", "-c", show, "--", "-b").stdout == "__main__ ['-c', '-b']\n"
    assert python.run("exec", "-", "a", "--b", stdin=show).stdout == "__main__ ['-', 'a', '--b']\n"
    for args, stdin in ((("-c", "import sys; sys.exit(3)"), None), (("-",), "raise SystemExit(3)")):
        done = python.run("exec", *args, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    said = python.run("exec", "-", stdin="x = 1\n1 / 0").stderr
    assert 'File "<stdin>", line 2, in <module>' in said


def test_a_script_as_json(python: World) -> None:
    (python.folder / "job.py").write_text("import sys\nprint('out')\nsys.exit(sys.argv[1])")
    done = python.run("exec", "--json", "job.py", "why")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert (said["status"], said["stdout"], said["stderr"]) == ("error", "out\n", "why\n")
    assert said["error"] == {"name": "SystemExit", "value": "1", "traceback": ""}


def test_a_script_runs_cells_by_the_shell(python: World) -> None:
    source = "r = get_ipython().run_cell('import sys; sys.exit(3)')\nprint(type(r.error_in_exec))"
    (python.folder / "job.py").write_text(source)
    done = python.run("exec", "job.py")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "<class 'SystemExit'>")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--host-arg", "a", "-c", "1"], "arguments for the host go with --host NAME"),
        (["book.ipynb", "--", "a"], "arguments for the host go with --host NAME"),
        (["-k", "python"], "either -c CODE or a file"),
        (["nothing.py"], "nothing.py cannot be read: No such file"),
        (["."], "cannot be read: Is a directory"),
        (["binary.py"], "binary.py cannot be read"),
        (["book.ipynb"], "notebook"),
        (["-c", "1", "-k", "nobody"], "no running kernel matches 'nobody'; running:"),
        (["-c", "1", "-k", ""], "no running kernel matches ''"),
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
    assert "'python' matches several kernels:" in result.stderr
