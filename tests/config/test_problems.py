"""Bad input at every door: where, what, how to fix; and all of it at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hostkernel.config import gather
from hostkernel.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Write

    Problems = Callable[..., list[Problem]]

NAME = "home/project/hostkernel.toml"

WRONG = {
    'log_level = "x"': ("log_level", "unknown key", None, "kernel.log_level"),
    "Host = 'studio'": ("Host", "unknown key", None, "host"),
    "_env_file = 'x'": ("_env_file", "unknown key", None, None),
    "host = 5": ("host", "wrong type", 'a string: in quotes, "5"', None),
    "host = true": ("host", "wrong type", 'a string: in quotes, "true"', None),
    "host = 'studoi'": ("host", "no plugin provides this host", "one of picky, studio", "studio"),
    "kernel = 3": ("kernel", "wrong type", "a table", None),
    "kernel.log_level = 'wraning'": (
        "kernel.log_level",
        "wrong value",
        "one of debug, info, warning, error, critical",
        "warning",
    ),
    "kernel.time_budget = 'fast'": ("kernel.time_budget", "wrong value", "a number", None),
    "kernel.time_budget = []": ("kernel.time_budget", "wrong type", "a number", None),
    "kernel.time_budget = 0": ("kernel.time_budget", "wrong value", "more than 0", None),
    "kernel.time_budget = 11": ("kernel.time_budget", "wrong value", "10 or less", None),
    "kernel.time_budget = inf": ("kernel.time_budget", "wrong value", "a finite number", None),
    "kernel.timebudget = 1": ("kernel.timebudget", "unknown key", None, "kernel.time_budget"),
    "kernel.a.b = 1": ("kernel.a", "unknown key", None, None),
    "connection.allow_remote = 'so'": (
        "connection.allow_remote",
        "wrong value",
        "true or false",
        None,
    ),
    "connection.ip = 'here'": (
        "connection.ip",
        "'here' does not appear to be an IPv4 or IPv6 address",
        None,
        None,
    ),
    "connection.ip = '10.0.0.1'": (
        "connection.ip",
        (
            "10.0.0.1 can be reached from other machines: "
            'set allow_remote = true and encryption = "required"'
        ),
        None,
        None,
    ),
    "plugins.paths = 'a.py'": ("plugins.paths", "wrong type", "a list", None),
    "plugins.paths = ['a.py', 3]": ("plugins.paths[1]", "wrong type", "a path, as a string", None),
    "hosts = []": ("hosts", "wrong type", "a table", None),
    "hosts.studoi = {}": (
        "hosts.studoi",
        "no plugin provides this host",
        "one of picky, studio",
        "hosts.studio",
    ),
    "hosts.studio = 1": ("hosts.studio", "wrong type", "a table", None),
    "hosts.studio.comand = []": (
        "hosts.studio.comand",
        "unknown key",
        None,
        "hosts.studio.command",
    ),
    "hosts.studio.mode = 'saef'": ("hosts.studio.mode", "wrong value", "one of fast, safe", "safe"),
    "hosts.studio.env = { A = 1 }": (
        "hosts.studio.env.A",
        "wrong type",
        'a string: in quotes, "1"',
        None,
    ),
    "hosts.studio.env.'a b' = []": ('hosts.studio.env."a b"', "wrong type", "a string", None),
    "hosts.studio.window.width = 0": (
        "hosts.studio.window.width",
        "wrong value",
        "1 or more",
        None,
    ),
    "hosts.studio.window.widht = 1": (
        "hosts.studio.window.widht",
        "unknown key",
        None,
        "hosts.studio.window.width",
    ),
    "hosts.studio.either = 'x'": (
        "hosts.studio.either",
        "wrong value",
        "a whole number or true or false",
        None,
    ),
    "hosts.studio.label = 'LOUD'": ("hosts.studio.label", "do not shout", None, None),
    "hosts.studio.label = 'crash'": (
        "hosts.studio",
        "its validation failed with ZeroDivisionError: crash",
        None,
        None,
    ),
    "hosts.picky = {}": ("hosts.picky.needed", "missing, and there is no default", None, None),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_of_a_file(line: str, write: Write, problems: Problems) -> None:
    file = write(NAME, f"# first\n{line}\n")
    key, message, expected, nearest = WRONG[line]
    text = f"{line}"
    assert problems() == [Problem(str(file), message, 2, key, text, expected, nearest)]


@pytest.mark.parametrize("line", WRONG)
def test_the_same_in_pyproject(line: str, write: Write, problems: Problems) -> None:
    file = write("home/project/pyproject.toml", f"[tool.hostkernel]\n{line}\n")
    (problem,) = problems()
    assert (problem.source, problem.line, problem.key) == (str(file), 2, WRONG[line][0])


@pytest.mark.parametrize("line", WRONG)
def test_the_same_in_an_override(line: str, problems: Problems) -> None:
    override = line.replace(" = ", "=", 1)
    key, message, expected, nearest = WRONG[line]
    found = Problem(f"--set {override}", message, None, key, None, expected, nearest)
    assert problems(gather([override])) == [found]


VARIABLES = {
    "HOSTKERNEL_KERNEL__LOG_LEVEL=wraning": WRONG["kernel.log_level = 'wraning'"],
    "HOSTKERNEL_KERNEL__TIME_BUDGET=0": WRONG["kernel.time_budget = 0"],
    "HOSTKERNEL_KERNEL=3": WRONG["kernel = 3"],
    "HOSTKERNEL_HOST=studoi": WRONG["host = 'studoi'"],
    "HOSTKERNEL_HOSTS__STUDIO__MODE=saef": WRONG["hosts.studio.mode = 'saef'"],
    "HOSTKERNEL_HOSTS__STUDIO__WINDOW__WIDTH=0": WRONG["hosts.studio.window.width = 0"],
    'HOSTKERNEL_HOSTS__STUDIO={"comand": []}': WRONG["hosts.studio.comand = []"],
    'HOSTKERNEL_PLUGINS__PATHS=["a.py", 3]': WRONG["plugins.paths = ['a.py', 3]"],
    "HOSTKERNEL_PLUGINS__PATHS=a.py": (
        "plugins.paths",
        "not JSON: Expecting value: line 1 column 1 (char 0)",
        'JSON, such as ["a"]',
        None,
    ),
    "HOSTKERNEL_CONNECTION={": (
        "connection",
        "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        'a JSON object, such as {"key": "value"}',
        None,
    ),
    "HOSTKERNEL_HOSTS__STUDIO__SCENES=[": (
        "hosts.studio.scenes",
        "not JSON: Expecting value: line 1 column 2 (char 1)",
        'JSON, such as ["a"]',
        None,
    ),
    "HOSTKERNEL_HOSTS__STUDIO__ENV=A": (
        "hosts.studio.env",
        "not JSON: Expecting value: line 1 column 1 (char 0)",
        'a JSON object, such as {"key": "value"}',
        None,
    ),
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_wrong_variable(
    variable: str, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    key, message, expected, nearest = VARIABLES[variable]
    assert problems() == [Problem(name, message, None, key, value, expected, nearest)]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HOSTKERNEL_KERNEL__LOGLEVEL", "HOSTKERNEL_KERNEL__LOG_LEVEL"),
        ("HOSTKERNEL_KERNEL_LOG_LEVEL", "HOSTKERNEL_KERNEL__LOG_LEVEL"),
        ("HOSTKERNEL_HOSTS__STUDIO__COMAND", "HOSTKERNEL_HOSTS__STUDIO__COMMAND"),
        ("HOSTKERNEL_HOSTS__STUDOI__MODE", "HOSTKERNEL_HOSTS__STUDIO__MODE"),
        ("HOSTKERNEL_HOST__X", "HOSTKERNEL_HOST"),
        ("HOSTKERNEL_CONFG", "HOSTKERNEL_CONFIG"),
        ("HOSTKERNEL_SOMETHING_ELSE", None),
    ],
)
def test_an_unknown_variable_keeps_its_value_to_itself(
    name: str, nearest: str | None, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "secret")
    assert problems() == [Problem(name, "unknown variable", nearest=nearest)]


@pytest.mark.parametrize(
    "override", ["", "x", "=", "=1", "a b=1", "a..b=1", "a.=1", "'a=1", "[a]=1"]
)
def test_an_override_that_is_none(override: str, problems: Problems) -> None:
    expected = "KEY=VALUE, such as kernel.log_level=debug"
    found = Problem(f"--set {override}", "not a setting", expected=expected)
    assert problems(gather([override])) == [found]


def test_an_unknown_host_of_the_command_line(problems: Problems) -> None:
    (problem,) = problems(gather(host="studoi"))
    assert (problem.source, problem.nearest) == ("--host studoi", "studio")


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ('a = 1\nb = "x\n\nc = 1', 2, 'b = "x'),
        ("a = 1\na = 2\n", 2, "a = 2"),
        ("\r\n[a\r\n", 2, "[a"),
        ("x", 1, "x"),
        ("\n\nx = [1,\n", 3, "x = [1,"),
        ("x = " + "[" * 9999, None, None),
        ("x = 1" + "0" * 9999, None, None),
    ],
)
def test_a_file_that_is_not_toml(
    text: str, line: int | None, shown: str | None, write: Write, problems: Problems
) -> None:
    file = write(NAME, "")
    file.write_bytes(text.encode())
    (problem,) = problems()
    assert (problem.source, problem.line, problem.text) == (str(file), line, shown)
    assert re.match("not TOML: .", problem.message)


def test_a_file_that_is_not_utf8(write: Write, problems: Problems) -> None:
    file = write(NAME, "")
    file.write_bytes(b"a = 1\nb = '\xe4' # latin\n")
    found = Problem(str(file), "not UTF-8", 2, None, r"b = '\xe4' # latin", "a file in UTF-8")
    assert problems() == [found]


def test_a_byte_order_mark_is_no_problem(write: Write, problems: Problems) -> None:
    file = write(NAME, "")
    file.write_bytes(b"\xef\xbb\xbfkernel.x = 1\r\n")
    (problem,) = problems()
    assert (problem.line, problem.key, problem.text) == (1, "kernel.x", "kernel.x = 1")


def test_all_problems_of_all_places_come_together(
    write: Write, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = write("site/hostkernel/hostkernel.toml", "x = ")
    user = write("user/hostkernel/hostkernel.toml", "[kernel]\ntime_budget = -1\nkernel = 1")
    project = write(NAME, "b = 1\na = 1\n[kernel]\nlog_level = 'x'")
    monkeypatch.setenv("HOSTKERNEL_PLUGINS__PATHS", "x")
    monkeypatch.setenv("HOSTKERNEL_KERNEL", "3")
    found = problems(gather(["kernel.on_exit=x", "x", "kernel.a=1"], host="nobody"))
    assert [(problem.source, problem.line) for problem in found] == [
        (str(site), 1),
        (str(user), 2),
        (str(user), 3),
        (str(project), 1),
        (str(project), 2),
        (str(project), 4),
        ("HOSTKERNEL_KERNEL", None),
        ("HOSTKERNEL_PLUGINS__PATHS", None),
        ("--set kernel.on_exit=x", None),
        ("--set kernel.a=1", None),
        ("--host nobody", None),
        ("--set x", None),
    ]


def test_the_line_of_the_layer_that_set_it_is_shown(write: Write, problems: Problems) -> None:
    write("user/hostkernel/hostkernel.toml", "kernel.log_level = 'loud'")
    project = write(NAME, "kernel.log_level = 'louder'")
    (problem,) = problems()
    assert (problem.source, problem.text) == (str(project), "kernel.log_level = 'louder'")
    assert problems(gather(["kernel.log_level=x"]))[0].source == "--set kernel.log_level=x"
    gather(["kernel.log_level=info"]).merge({}).validate()


def test_a_problem_reads_well(write: Write, problems: Problems, project: Path) -> None:
    write(NAME, '\n[kernel]\n  log_level = "wraning"  # really\n')
    assert str(problems()[0]).splitlines() == [
        f"{project}/hostkernel.toml:3: kernel.log_level: wrong value",
        '    log_level = "wraning"  # really',
        "  expected one of debug, info, warning, error, critical",
        "  did you mean warning?",
    ]
