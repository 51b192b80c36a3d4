"""The add-on: built as its user builds it, installed in real Blenders, its buttons pressed."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import hostkernel_blender
import psutil
import pytest
from hostkernel_blender.outside.wheels import own_wheel
from jupyter_client.blocking.client import BlockingKernelClient
from support.runs import environment, need, need_module, run_cell, wait_for
from support.windows import screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow(40)

SECONDS = 60.0
MODULE = "bl_ext.user_default.hostkernel"
ADDON = Path(hostkernel_blender.__file__).parent / "addon"


def hostkernel(
    *args: object, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hostkernel", *map(str, args)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where wheels are kept, so that each is fetched once."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def build(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build an add-on; the zip."""

    def build(*options: str) -> Path:
        output = tmp_path_factory.mktemp("zips")
        command = ("blender", "build-extension", "--wheels", wheels, "-o", output)
        result = hostkernel(*command, *options)
        assert result.returncode == 0, result.stderr
        return Path(result.stdout.strip())

    return build


@pytest.fixture(scope="module")
def extension(build: Callable[..., Path]) -> Path:
    return build()


@pytest.fixture(scope="module")
def bpy_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Blender's module, and nothing of this environment but what it needs."""
    spec = importlib.util.find_spec("bpy")
    need_module("bpy")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path_factory.mktemp("only")
    site = Path(spec.origin).parents[1]
    for name in ("bpy", "numpy", "numpy.libs"):
        (folder / name).symlink_to(site / name)
    return folder


def connect(runtime: Path) -> BlockingKernelClient:
    [file] = runtime.glob("kernel-*.json")
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=SECONDS)
    return client


def is_up(runtime: Path) -> bool:
    return bool(list(runtime.glob("kernel-*.json")))


# Its files


def test_the_settings_file_it_opens_is_the_one_that_is_read(tmp_path: Path) -> None:
    need_module("bpy")
    ask = "import bpy; from hostkernel_blender.addon import kernel; print(kernel.settings_file())"
    env = environment(tmp_path)
    said = subprocess.check_output([sys.executable, "-c", ask], env=env, text=True)
    places = json.loads(hostkernel("config", "path", "--json", env=env).stdout)
    [user] = [place["path"] for place in places if place["kind"] == "user"]
    assert said.splitlines()[-1] == user


# Building


def test_blenders_own_tool_validates_the_extension(extension: Path, bpy_only: Path) -> None:
    [tool] = bpy_only.glob("bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    command = [sys.executable, tool, "validate", extension]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_wheels_belong_to_the_platforms_and_markers_too(build: Callable[..., Path]) -> None:
    with zipfile.ZipFile(build("--platform", "windows-x64")) as archive:
        names = archive.namelist()
        manifest = archive.read("blender_manifest.toml").decode()
    wheels = [name for name in names if name.endswith(".whl")]
    assert all(wheel.removesuffix(".whl").endswith(("-any", "-win_amd64")) for wheel in wheels)
    projects = {wheel.removeprefix("wheels/").partition("-")[0] for wheel in wheels}
    assert {"hostkernel", "ipykernel", "colorama", "pyzmq", "psutil"} <= projects
    assert projects.isdisjoint({"pexpect", "appnope", "ptyprocess"})
    assert all(f'"./{wheel}"' in manifest for wheel in wheels)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--platform", "amiga"), "linux-x64"),
        (("--python", "3.12"), "no Blender has Python 3.12"),
        (("--classic", "--python", "3.13"), "one platform"),
        (("--classic", "--platform", "linux-x64", "--platform", "macos-x64"), "one platform"),
    ],
)
def test_what_cannot_be_built_is_said(options: tuple[str, ...], complaint: str) -> None:
    result = hostkernel("blender", "build-extension", *options)
    assert result.returncode == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    command = ("blender", "build-extension", "--wheels", tmp_path / "none", "-o", tmp_path)
    result = hostkernel(*command, env=os.environ | offline)
    assert result.returncode == 1
    assert "could not fetch the wheels" in result.stderr
    assert str(tmp_path / "none") in result.stderr
    assert list(tmp_path.glob("*.zip")) == []


def test_hostkernels_own_wheel_is_whole(tmp_path: Path) -> None:
    file = own_wheel(tmp_path)
    target = tmp_path / "target"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
    subprocess.run([*install, file], check=True)
    ask = "import sys; sys.path.insert(0, sys.argv[1]); import hostkernel, hostkernel_qt"
    show = "from importlib.metadata import files; print(hostkernel.__file__, *files('hostkernel'))"
    command = [sys.executable, "-I", "-c", f"{ask}; {show}", target]
    [module, *files] = subprocess.check_output(command, text=True).split()
    assert Path(module).is_relative_to(target)
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert "hostkernel_blender/addon/ui.py" in files


# Older Pythons


def load_addon() -> object:
    spec = importlib.util.spec_from_file_location("addon", ADDON / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_python_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse((ADDON / "__init__.py").read_text(), feature_version=(3, 7))
    addon = load_addon()
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(RuntimeError, match=r"Python is 3\.10; hostkernel needs 3\.11 or newer"):
        addon.register()


SAYS_SO = "#!/bin/sh\necho hostkernel: 3.6.5 3.10"


@pytest.mark.parametrize("shows_it", [True, False], ids=["by its folders", "when asked"])
def test_a_blender_that_is_too_old_is_refused(tmp_path: Path, shows_it: bool) -> None:
    """A program stands for it, with the folders or the answer of such a Blender."""
    blender = tmp_path / "blender"
    blender.write_text(SAYS_SO)
    blender.chmod(0o755)
    if shows_it:
        (tmp_path / "3.6/python/lib/python3.10").mkdir(parents=True)
        (tmp_path / "3.6/python/bin").mkdir()
        (tmp_path / "3.6/python/bin/python3.10").touch()
    result = hostkernel("blender", "install-extension", "--blender", blender)
    assert result.returncode != 0
    assert "Python is 3.10; hostkernel needs 3.11 or newer" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("version", ["3.7", "3.10"])
def test_an_old_python_refuses_the_add_on(tmp_path: Path, version: str) -> None:
    """By itself, where it was installed by hand; the interpreter alone, not its Blender."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    need(found, f"Python {version}")
    shutil.copytree(ADDON, tmp_path / "hostkernel_addon")
    code = "import hostkernel_addon; hostkernel_addon.register()"
    command = [found[-1], "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    said = f"RuntimeError: this Blender's Python is {version}; hostkernel needs 3.11 or newer"
    assert last == said


# The extension, in bpy

DRIVE = """
import faulthandler, sys, types
faulthandler.enable()
only, file = sys.argv[1:]
sys.path.append(only)
import bpy

def attempt(serve):
    try:
        serve()
    except Exception as error:
        print("refused:", error, flush=True)

bpy.ops.extensions.package_install_files(
    filepath=file, repo="user_default", enable_on_install=True)
from bl_ext.user_default import hostkernel as addon
attempt(bpy.ops.hostkernel.start)
attempt(addon.serve)
bpy.context.preferences.system.use_online_access = True
other = sys.modules["pluggy"] = types.ModuleType("pluggy")
other.__version__ = "0.1"
attempt(addon.serve)
del sys.modules["pluggy"]
attempt(addon.serve)
print("panel:", hasattr(bpy.types, "HOSTKERNEL_PT_scene"), flush=True)
"""

WHERE = """
import sys, hostkernel, hostkernel_blender, ipykernel, IPython, zmq, pydantic_core, tornado
ours = hostkernel, hostkernel_blender, ipykernel, IPython, zmq, pydantic_core, tornado
{m.__name__: m.__file__ for m in ours if "/extensions/.local/" not in m.__file__}
"""


@pytest.fixture
def driven(extension: Path, bpy_only: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python that sees bpy and nothing else, and installs, enables and starts the add-on."""
    env = environment(tmp_path) | {"BLENDER_USER_RESOURCES": str(tmp_path / "blender")}
    (tmp_path / "blender").mkdir()
    command = [sys.executable, "-I", "-S", "-c", DRIVE, bpy_only, extension]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log)
        yield process
        process.kill()
        process.wait()


def test_the_extension_works_from_the_zip_alone(
    driven: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    log, runtime = tmp_path / "log", tmp_path / "runtime"

    def up() -> bool:
        assert driven.poll() is None, log.read_text()
        return is_up(runtime)

    wait_for(up, "the extension's kernel")
    client = connect(runtime)
    assert run_cell(client, WHERE) == "{}"
    assert run_cell(client, "C.scene.name") == "'Scene'"
    run_cell(client, f"bpy.ops.preferences.addon_disable(module={MODULE!r})")
    assert driven.wait(SECONDS) == 0, log.read_text()
    client.stop_channels()
    assert not is_up(runtime)
    said = log.read_text()
    assert "let the script call this add-on's serve()" in said
    assert "online access is off" in said
    assert "pluggy 0.1 is loaded" in said
    assert said.count("refused:") == 3
    assert "panel: False" in said


# The classic add-on, in Debian's Blender

PREPARE = """
import bpy
preferences = bpy.context.preferences
preferences.view.show_splash = False
preferences.addons["hostkernel_addon"].preferences.auto_start = True
bpy.ops.wm.save_userpref()
"""
SHOW = """
[area] = [area for area in C.window_manager.windows[0].screen.areas if area.type == "PROPERTIES"]
area.spaces.active.context = "SCENE"
"""
# In a window of 1280x800, where nothing else is in the Scene properties.
START, STOP = ("1183", "662"), ("1143", "688")


class Window:
    """Debian's Blender with the classic add-on, started by its user."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.runtime = folder / "runtime"
        command = ["blender", "--window-geometry", "0", "0", "1280", "800"]
        self._log = (folder / "blender.log").open("w")
        self.process = subprocess.Popen(command, env=env, stdout=self._log, stderr=self._log)

    def click(self, place: tuple[str, str], *, until_up: bool) -> None:
        """Press a button with the mouse, again if Blender was too busy to notice."""
        command = ["xdotool", "mousemove", *place, "sleep", "0.2", "click", "1"]
        last = 0.0

        def clicked() -> bool:
            nonlocal last
            if is_up(self.runtime) is until_up:
                return True
            if time.monotonic() - last > 4:
                subprocess.run(command, env=self.env, check=True)
                last = time.monotonic()
            return False

        wait_for(clicked, f"the button at {place}")

    def close(self) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def large_display() -> Iterator[str]:
    with screen("1280x800") as number:
        yield number


@pytest.fixture
def window(wheels: Path, tmp_path: Path, large_display: str) -> Iterator[Window]:
    need(shutil.which("blender"), "Blender on PATH")
    need(shutil.which("xdotool"), "xdotool")
    own = {"DISPLAY": large_display, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    for name in ("SCRIPTS", "CONFIG"):
        (tmp_path / name / "addons").mkdir(parents=True)
        own[f"BLENDER_USER_{name}"] = str(tmp_path / name)
    env = environment(tmp_path) | own
    installed = hostkernel("blender", "install-extension", "--wheels", wheels, env=env)
    assert installed.returncode == 0, installed.stderr
    assert "classic" in installed.stdout
    prepare = ["blender", "--background", "--python-exit-code", "1", "--python-expr", PREPARE]
    subprocess.run(prepare, env=env, check=True, stdout=subprocess.DEVNULL)
    window = Window(env, tmp_path)
    yield window
    window.close()


def test_the_buttons_of_the_classic_add_on(window: Window) -> None:
    wait_for(lambda: is_up(window.runtime), "the kernel that starts with Blender")
    client = connect(window.runtime)
    run_cell(client, SHOW)
    assert "/hostkernel_addon/site-packages/" in run_cell(client, "import zmq; zmq.__file__")

    [file] = window.runtime.glob("kernel-*.json")
    key = json.loads(file.read_text())["key"]

    def copied(what: str, *, reveal: bool = False) -> str:
        run_cell(client, f"bpy.ops.hostkernel.copy(what={what!r}, reveal={reveal})")
        return run_cell(client, "print(C.window_manager.clipboard)").strip()

    assert copied("FILE") == str(file)
    assert copied("CONSOLE") == f"jupyter console --existing {file}"
    assert key not in copied("JSON")
    assert json.loads(copied("JSON"))["shell_port"]
    assert json.loads(copied("JSON", reveal=True))["key"] == key

    run_cell(client, "mine = 1")
    run_cell(client, "bpy.ops.hostkernel.restart()")
    assert run_cell(client, "'mine' in globals()") == "False"
    client.stop_channels()

    window.click(STOP, until_up=False)
    assert window.process.poll() is None
    window.click(START, until_up=True)
    stopped = hostkernel("stop", env=window.env)
    assert stopped.returncode == 0, stopped.stderr
    wait_for(lambda: not is_up(window.runtime), "the end of the kernel")
    window.click(START, until_up=True)

    client = connect(window.runtime)
    run_cell(client, "bpy.ops.wm.quit_blender()")
    client.stop_channels()
    assert window.process.wait(SECONDS) == 0
    assert not is_up(window.runtime)
