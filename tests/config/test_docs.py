"""What is generated from docstrings and help texts is in the repository, and not stale."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python docs/generate.py"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("name", ["hostkernel.toml", "docs/settings.md", "docs/cli.md"])
def test_generated_parts_are_not_stale(name: str, generator: dict[str, Any]) -> None:
    texts = {str(file.relative_to(ROOT)): text for file, text in generator["documents"]()}
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == texts[name], f"{name} is stale: run {COMMAND}"


def test_hidden_commands_and_options_are_not_described() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    described = re.findall(r"^## hostkernel (\S+)$", text, re.MULTILINE)
    assert described[0] == "run"
    assert described[-1] == "blender"
    assert "relay" not in described
    assert "--attach" not in text[: text.index("## hostkernel list")]


def test_the_python_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(code, "configuration.md", "exec"), {})
    assert capsys.readouterr().out == "debug --set\n"
