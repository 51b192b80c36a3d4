"""A host that was killed leaves a file: who may say that it is stale, and what becomes of it.

That its ports and key are not used again is tested with the manager.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.runs import SECONDS, need, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.live import LiveHost

CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


@pytest.fixture(scope="module")
def killed(live: Callable[..., LiveHost]) -> LiveHost:
    """A host that was killed while its kernel ran."""
    host = live("pumped", dev=False)
    host.start()
    host.file()
    host.process.kill()
    wait_for(lambda: host.process.poll() is not None, "its end")
    return host


@pytest.fixture
def file(killed: LiveHost) -> Iterator[Path]:
    """The file that it left; the next test finds it as it was."""
    [file] = killed.files()
    left = file.read_text()
    yield file
    file.write_text(left)


def listed(host: LiveHost, *before: str) -> tuple[list[dict[str, object]], str]:
    command = [*before, sys.executable, "-m", "hostkernel", "list", "--json"]
    done = subprocess.run(
        command,
        env=host.env,
        cwd=host.folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_list_recognises_the_file_and_removes_it(killed: LiveHost, file: Path) -> None:
    kernels, said = listed(killed)
    assert kernels == []
    assert f"removed {file}: its host (pid {killed.process.pid}) " in " ".join(said.split())
    assert not file.exists()
    assert listed(killed) == ([], "")


@pytest.mark.parametrize("part", range(3), ids=["machine", "boot", "container"])
def test_a_file_from_elsewhere_is_not_touched(killed: LiveHost, file: Path, part: int) -> None:
    """Its process is not here, its port is closed: all the same nobody can tell from here."""
    content = json.loads(file.read_text())
    parts = content["hostkernel"]["machine"].split("/")
    parts[part] = f"another {parts[part]}"
    content["hostkernel"]["machine"] = "/".join(parts)
    file.write_text(json.dumps(content))
    [kernel], said = listed(killed)
    assert (kernel["state"], said) == ("elsewhere", "")
    assert json.loads(file.read_text()) == content


def test_a_container_does_not_touch_the_file_of_the_machine_around_it(
    killed: LiveHost, file: Path
) -> None:
    works = subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode == 0
    need(works, "a way to make a process namespace")
    before = file.read_text()
    [kernel], said = listed(killed, *CONTAINER)
    assert (kernel["state"], said) == ("elsewhere", "")
    assert file.read_text() == before
