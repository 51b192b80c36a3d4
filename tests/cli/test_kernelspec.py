"""``hostkernel kernelspec``: what launchers see, and bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from support.world import odd_options

if TYPE_CHECKING:
    from support.world import World


def specs(world: World) -> Path:
    return world.folder / "jupyter" / "data" / "kernels"


def installed(world: World, *args: str) -> dict[str, Any]:
    """What the one kernelspec says that this installs; read as Jupyter does."""
    done = world.run("kernelspec", "install", "--json", *args)
    assert done.returncode == 0, done.stderr
    [record] = json.loads(done.stdout)
    manager = KernelSpecManager(kernel_dirs=[str(Path(record["folder"]).parent)])
    found: dict[str, Any] = manager.get_kernel_spec(record["name"]).to_dict()
    return {**found, "name": record["name"], "folder": Path(record["folder"])}


def test_one_that_starts_a_host(world: World) -> None:
    script = world.folder / "script.py"
    script.touch()
    spec = installed(world, "--host", "python", "--set", "kernel.log_level=debug", "script.py")
    own = ("--set", "kernel.on_shutdown=exit-host", "--set", "kernel.log_level=debug")
    command = [sys.executable, "-m", "hostkernel", "run", "--host", "python"]
    assert spec["argv"] == [*command, "-f", "{connection_file}", *own, str(script)]
    assert (spec["name"], spec["display_name"]) == ("hostkernel-python", "Python (hostkernel)")
    assert spec["interrupt_mode"] == "message"
    assert spec["metadata"]["debugger"] is True
    assert spec["metadata"]["supported_encryption"] == ["curve"]
    assert {"logo-svg.svg", "logo-64x64.png"} <= {each.name for each in spec["folder"].iterdir()}


def test_one_that_attaches(world: World) -> None:
    spec = installed(world, "--attach", "-k", "scene.blend", "--name", "scene")
    relay = [sys.executable, "-m", "hostkernel", "relay", "-f", "{connection_file}"]
    assert spec["argv"] == [*relay, "-k", "scene.blend"]
    spec = installed(world, "--attach", "--host", "python", "--display-name", "Mine")
    assert spec["argv"][3:7] == ["run", "--host", "python", "--attach"]
    assert (spec["name"], spec["display_name"]) == ("hostkernel-python-attach", "Mine")


def test_places_listing_and_removal(world: World) -> None:
    place = world.folder / "environment"
    spec = installed(world, "--host", "python", "--prefix", str(place))
    assert spec["folder"] == place / "share" / "jupyter" / "kernels" / "hostkernel-python"
    assert world.run("kernelspec", "install", "--all").returncode == 0
    assert world.run("kernelspec", "install", *odd_options()).returncode == 0
    there = json.loads(world.run("kernelspec", "list", "--json").stdout)
    names = {each["name"] for each in there}
    assert {"hostkernel", "hostkernel-python", "hostkernel-odd"} <= names
    assert "hostkernel-qt" not in names  # it needs a script
    assert all(each["python_is_there"] for each in there)
    (specs(world) / "somebodys").mkdir()
    (specs(world) / "somebodys" / "kernel.json").write_text('{"display_name": "x", "argv": []}')
    removed = json.loads(world.run("kernelspec", "remove", "hostkernel-odd", "--json").stdout)
    assert [each["name"] for each in removed] == ["hostkernel-odd"]
    assert world.run("kernelspec", "remove", "--all").returncode == 0
    assert [each.name for each in specs(world).iterdir()] == ["somebodys"]
    assert "none installed; install some with" in world.run("kernelspec", "list").stderr


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ([], 2, "give one of --host NAME, --all, --attach"),
        (["--host", "pyton"], 2, "Did you mean python?"),
        (["--host", "python", "-k", "x"], 2, "-k goes with --attach alone"),
        (["--all", "--name", "x"], 2, "--name and --display-name are for one kernelspec"),
        (["--attach", "--user", "--sys-prefix"], 2, "give one of --user, --prefix, --sys-prefix"),
        (["--attach", "--name", "a b"], 1, "a name is made of ASCII letters"),
        (["--attach", "--name", "somebodys"], 1, "this is not a kernelspec of hostkernel's"),
        (["--attach", "--prefix", "file"], 1, "cannot be written"),
        (["--host", "python", "nothing.py"], 2, "there is no script 'nothing.py'"),
    ],
)
def test_bad_input_installs_nothing(
    world: World, args: list[str], status: int, message: str
) -> None:
    (specs(world) / "somebodys").mkdir(parents=True)
    (world.folder / "file").touch()
    result = world.run("kernelspec", "install", *args)
    assert (result.returncode, result.stdout) == (status, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert [each.name for each in specs(world).iterdir()] == ["somebodys"]
