"""``hostkernel exec FILE``: a script with arguments and an exit status, in each host."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.kinds import KINDS, arguments
from support.runs import need
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.runs import Run

pytestmark = pytest.mark.slow(70)

JOB = """
import os, sys
import beside

def main():
    out = sys.argv[sys.argv.index("--") + 1 :]
    print(__name__, os.path.basename(__file__), beside.WORD, out)
    if out[1] == "fail":
        beside.fail()
    return out[1] if out[1] == "a message" else int(out[1])

if __name__ == "__main__":
    sys.exit(main())
"""
BESIDE = """
WORD = "beside"
def fail():
    raise OSError("no disk")
"""
STATE = "import sys; print(sys.argv, sys.path, '__file__' in dir())"
FAILURE = """\
Traceback (most recent call last):
  File "FOLDER/job.py", line 13, in <module>
    sys.exit(main())
             ^^^^^^
  File "FOLDER/job.py", line 9, in main
    beside.fail()
  File "FOLDER/beside.py", line 4, in fail
    raise OSError("no disk")
OSError: no disk
"""
# The last argument, the exit status, and what is on stderr.
ENDS = (("0", 0, ""), ("3", 3, ""), ("a message", 1, "a message\n"), ("fail", 1, FAILURE))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script, and a module in its folder."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "beside.py").write_text(BESIDE)
    (folder / "job.py").write_text(JOB)
    return folder / "job.py"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home of its own; whatever was started there is ended with the test."""
    world = World(tmp_path)
    yield world
    world.close()


def check(done: subprocess.CompletedProcess[str], job: Path, word: str) -> None:
    """What it printed is right; ``exec --host`` may say last where the host's own output is."""
    [(status, said)] = [end[1:] for end in ENDS if end[0] == word]
    assert done.stdout == f"__main__ job.py beside ['--out', {word!r}]\n"
    lines = [line for line in done.stderr.splitlines(keepends=True) if "own output" not in line]
    assert "".join(lines) == said.replace("FOLDER", str(job.parent))
    assert done.returncode == status


@pytest.mark.usefixtures("client")
def test_a_script_in_what_is_open(each: Run, job: Path) -> None:
    before = each.hostkernel("exec", "-c", STATE)
    for word, _, _ in ENDS:
        check(each.command_line("exec", str(job), "--", "--out", word), job, word)
    assert each.hostkernel("exec", "-c", STATE) == before


@pytest.mark.parametrize("word", ["0", "3", "fail"])
@pytest.mark.parametrize("host", [kind for kind in KINDS if kind != "qt"])
def test_a_script_in_a_host_of_its_own(world: World, job: Path, host: str, word: str) -> None:
    own = arguments(host, world.folder)
    check(world.run("exec", *own, str(job), "--", "--out", word), job, word)
    assert world.is_empty()


def test_blender_itself_says_the_same(world: World, job: Path) -> None:
    """The script of the tests above is one that its users write for ``blender -P``."""
    blender = need(shutil.which("blender"), "Blender on PATH")
    command = [blender, "-b", "--factory-startup", "-P", str(job), "--", "--out", "3"]
    path = {"PYTHONPATH": str(job.parent)}  # Blender does not add the script's folder
    done = subprocess.run(
        command, env=world.env | path, capture_output=True, text=True, check=False
    )
    assert "__main__ job.py beside ['--out', '3']\n" in done.stdout
    assert done.returncode == 3
