"""Plain Python, with and without a script, driven from another process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.runs import SECONDS, Run, run_cell, wait_for

SCRIPT = """
import os, sys
from helper import HELP          # beside the script

class Thing: ...

print("script", __name__, sys.argv, HELP, os.path.basename(__file__))
"""
WATCH = """
import __main__, pickle, sys, threading
print(threading.current_thread() is threading.main_thread())
print(__main__.HELP, sys.argv)
print(type(pickle.loads(pickle.dumps(__main__.Thing()))) is __main__.Thing)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "script.py").write_text(SCRIPT)
    (tmp_path / "app" / "helper.py").write_text("HELP = 'beside'")
    return tmp_path


@pytest.fixture
def run_here(folder):
    runs = []

    def run(*args: str) -> Run:
        runs.append(Run(folder, *args))
        return runs[-1]

    yield run
    for one in runs:
        one.close()


def test_a_script_then_the_kernel(run_here):
    run = run_here("--host", "python", "app/script.py", "one", "--two")
    expected = "['app/script.py', 'one', '--two']"
    told = run_cell(run.client(), WATCH)
    assert told.splitlines() == ["True", f"beside {expected}", "True"]
    assert f"script __main__ {expected} beside script.py" in run.output


@pytest.mark.parametrize("end", ["sys.exit()", "sys.exit(0)", "raise SystemExit"])
def test_a_script_that_exits_well_is_done(run_here, folder, end):
    (folder / "app" / "script.py").write_text(f"import sys\nx = 5\n{end}\n")
    run = run_here("app/script.py")
    assert run_cell(run.client(), "import __main__; __main__.x") == "5"


FAILURES = {
    "an error": "def f():\n    1 / 0\n\nprint('before')\nf()",
    "a status": "import sys\nsys.exit(7)",
    "a message": "import sys\nsys.exit('there is no input')",
    "no Python": "print('no'\n",
    "a hook of its own": "import sys\nsys.excepthook = lambda *e: print('mine', e[0])\n1 / 0",
}


@pytest.mark.parametrize("source", FAILURES.values(), ids=list(FAILURES))
@pytest.mark.parametrize("mode", ["serve", "thread"])
def test_a_script_that_fails_says_what_python_says(run_here, folder, mode, source):
    (folder / "app" / "script.py").write_text(source)
    run = run_here("--set", f"hosts.python.mode={mode}", "app/script.py")
    plain = subprocess.run(
        [sys.executable, "app/script.py"],
        cwd=folder,
        env=run.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.process.wait(SECONDS) == plain.returncode
    lines = run.output.splitlines(keepends=True)
    shown = [index for index, line in enumerate(lines) if line.startswith("kernel ")]
    if shown:  # the panel of a kernel that runs beside it
        del lines[shown[0] : shown[0] + 6]
    assert "".join(lines) == plain.stdout
    assert run.files() == []


@pytest.mark.parametrize("name", ["an error", "a message"])
def test_a_script_that_fails_detached_says_the_same(run_here, folder, name):
    (folder / "app" / "script.py").write_text(FAILURES[name].replace("print('before')", "pass"))
    run = run_here("--detach", "app/script.py")
    assert run.process.wait(SECONDS) == 1
    last = {"an error": "ZeroDivisionError: division by zero", "a message": "there is no input"}
    assert run.output.splitlines()[-1] == last[name]
    assert "did not start" not in run.output
    assert "hostkernel/" not in run.output
    assert run.files() == []


@pytest.mark.parametrize("mode", ["serve", "thread"])
@pytest.mark.parametrize("flag", [(), ("--detach",)])
def test_a_missing_script_is_said_before_anything_starts(run_here, mode, flag):
    run = run_here("--set", f"hosts.python.mode={mode}", *flag, "app/gone.py")
    assert run.process.wait(SECONDS) == 2
    assert run.output.strip() == f"hostkernel: there is no script 'app/gone.py' in {run.folder}"


THREADED = """
import sys, time
from pathlib import Path

turns = 0
while not Path("enough").exists():
    turns += 1
    time.sleep(0.01)
print("the script is done", flush=True)
"""


@pytest.fixture
def beside(run_here, folder):
    (folder / "app" / "script.py").write_text(THREADED)
    return run_here("--set", "hosts.python.mode=thread", "app/script.py")


def test_the_kernel_beside_a_busy_script(beside, folder):
    client = beside.client()
    assert run_cell(client, WATCH.splitlines()[1] + "\nprint(__main__.turns > 0)").strip() == "True"
    code = "import threading; threading.current_thread() is threading.main_thread()"
    assert run_cell(client, code) == "False"
    turns = "import __main__\nbefore = __main__.turns\nwhile __main__.turns == before: pass"
    run_cell(client, turns)
    (folder / "enough").touch()
    assert beside.process.wait(SECONDS) == 0, beside.output
    assert beside.output.count("the script is done") == 1
    assert "Traceback" not in beside.output
    assert beside.files() == []


def test_ctrl_c_ends_kernel_and_script(beside):
    beside.client()
    beside.process.send_signal(signal.SIGINT)
    beside.process.wait(SECONDS)
    assert "Traceback" not in beside.output
    assert beside.files() == []


def test_stop_ends_the_kernel_and_not_the_script(beside, folder):
    beside.client()
    beside.hostkernel("stop")
    wait_for(lambda: not beside.files(), "the connection file is gone")
    assert beside.process.poll() is None
    (folder / "enough").touch()
    assert beside.process.wait(SECONDS) == 0, beside.output


def test_a_script_is_compiled_on_its_own_terms(tmp_path):
    """Its own encoding, and none of the future imports of whoever runs it."""
    script = tmp_path / "späm.py"
    source = "# -*- coding: latin-1 -*-\nx: int = 1\nprint(ascii('ä'), __annotations__)"
    script.write_bytes(source.encode("latin-1"))
    code = f"from hostkernel.host import run_script; run_script([{str(script)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "'\\xe4' {'x': <class 'int'>}\n"
