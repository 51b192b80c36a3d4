"""A module whose shared libraries are not installed: all of them are named, and how to get them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from support.runs import need

from hostkernel.host import install_advice, missing_libraries
from hostkernel.host.libraries import missing_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere wheels bring them")

NEEDED = ("libX11.so.6", "libabsent.so.1")
MODULE = """
#include <Python.h>
extern int x_function(void), absent_function(void);
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "needy"};
PyMODINIT_FUNC PyInit_needy(void) {
    return x_function() + absent_function() ? NULL : PyModule_Create(&definition);
}
"""


@pytest.fixture(scope="module")
def needy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module that needs two libraries; those are only there to link it."""
    compiler = need(shutil.which("cc"), "a C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("needy")
    for name, function in zip(NEEDED, ("x_function", "absent_function"), strict=True):
        (folder / "library.c").write_text(f"int {function}(void) {{ return 0; }}\n")
        # Under another name, lest the system's own is found in its place.
        soname = f"-Wl,-soname,{name}" if "absent" in name else f"-Wl,-soname,{name}.none"
        subprocess.run(
            [compiler, "-shared", "-fPIC", soname, "library.c", "-o", name], cwd=folder, check=True
        )
    (folder / "needy.c").write_text(MODULE)
    include = f"-I{sysconfig.get_path('include')}"
    command = [compiler, "-shared", "-fPIC", include, "needy.c", *NEEDED, "-o", "needy.so"]
    subprocess.run(command, cwd=folder, check=True)
    for name in NEEDED:
        (folder / name).unlink()
    return folder


MISSING = ("libX11.so.6.none", "libabsent.so.1")


def test_all_of_them_are_found_at_once(needy: Path) -> None:
    assert missing_libraries([needy / "needy.so"]) == MISSING
    assert missing_libraries([]) == ()
    assert missing_libraries([needy / "needy.c"]) == ()


def test_an_import_that_fails_by_one_names_all(
    needy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(needy)
    with pytest.raises(ImportError) as caught:
        __import__("needy")
    assert missing_of(caught.value) == MISSING
    assert missing_of(ImportError("cannot import name 'a' from 'b'")) == ()
    assert missing_of(OSError("libX11.so.6: cannot open shared object file")) == ()


def test_the_advice_is_for_three_systems() -> None:
    advice = install_advice(["libX11.so.6", "libEGL.so.1", "libxcb-cursor.so.0"])
    assert advice.splitlines() == [
        "Debian, Ubuntu: apt-get install libegl1 libx11-6 libxcb-cursor0",
        "Fedora: dnf install libX11 libglvnd-egl xcb-util-cursor",
        "Arch: pacman -S libglvnd libx11 xcb-util-cursor",
    ]
    assert install_advice(["libabsent.so.1"]) == "and what brings libabsent.so.1 on your system"


def test_a_host_that_needs_them_does_not_start_and_says_so(world: World, needy: Path) -> None:
    done = world.run_odd("--set", "hosts.odd.main=import needy", PYTHONPATH=str(needy))
    assert done.returncode == 3
    assert "needs shared libraries that are not installed: " + ", ".join(MISSING) in done.stderr
    assert "on your system" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_that_needs_them_is_told_below_its_traceback(world: World, needy: Path) -> None:
    (world.folder / "script.py").write_text("import needy\n")
    done = world.run("run", "--host", "python", "script.py", PYTHONPATH=str(needy))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert 'script.py", line 1, in <module>' in lines[1]
    assert any(line.startswith("ImportError: lib") for line in lines)
    assert lines[-1] == f"and what brings {', '.join(MISSING)} on your system"
