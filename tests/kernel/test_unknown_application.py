"""An application that no adapter knows: a real one, with Python inside, compiled here."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
from support.runs import SECONDS, environment, need

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """
#include <Python.h>

int main(int argc, char **argv)
{
    Py_Initialize();
    int failed = PyRun_SimpleFile(fopen(argv[1], "r"), argv[1]);
    return Py_FinalizeEx() || failed;
}
"""

SCRIPT = """
import json, sys
import hostkernel

facts = {"argv": sys.orig_argv}
try:
    hostkernel.start()
except hostkernel.UnknownHostError as error:
    facts["refusal"] = str(error)
facts["running"] = hostkernel.current() is not None
kernel = hostkernel.start(host="python")
facts["named"] = kernel.mode
facts["left"] = kernel.stop().left
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's program."""
    compiler = need(shutil.which("cc"), "a C compiler (apt-get install gcc)")
    config = sysconfig.get_config_vars()
    folder = tmp_path_factory.mktemp("application")
    (folder / "tiny.c").write_text(APPLICATION)
    library = config["LIBDIR"]
    words = (
        f"{compiler} tiny.c -o tiny -I{sysconfig.get_path('include')} -L{library} "
        f"-Wl,-rpath,{library} -lpython{config['LDVERSION']} "
        f"{config['LIBS']} {config['SYSLIBS']} {config['LINKFORSHARED']}"
    )
    subprocess.run(shlex.split(words), cwd=folder, check=True)
    return folder / "tiny"


def run(application: Path, folder: Path, script: str) -> dict[str, Any]:
    """What a script in the application tells."""
    (folder / "script.py").write_text(script)
    env = environment(folder) | {
        "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    result = subprocess.run(
        [application, folder / "script.py"],
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def test_it_gets_no_kernel_in_a_thread_unless_that_is_asked_for(
    application: Path, tmp_path: Path
) -> None:
    facts = run(application, tmp_path, SCRIPT)
    assert facts["argv"] == []
    assert "no host fits this process" in facts["refusal"]
    assert 'hostkernel.start(host="python")' in facts["refusal"]
    assert not facts["running"]
    assert facts["named"] == "thread"
    assert facts["left"] == []
