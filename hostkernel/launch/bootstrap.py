"""The first lines of hostkernel inside a host: set up ``sys.path``, start the kernel.

A host runs this file, by its path or as text, on its main thread and under any module name. An
environment variable names the folder that holds the orders, and the progress of the start is
reported in the same folder: the outside judges a start by that report, not by the exit status
of a wrapper.

Only the standard library is imported at the top, and even Python 3.6 must be able to parse
this file, because this file reports that a host's Python is too old.
"""

import json
import os
import pathlib
import signal
import site
import sys
import traceback
import types
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional

if TYPE_CHECKING:
    from hostkernel.host import Host, Kernel
    from hostkernel.kernel.manager import HostKernelManager
    from hostkernel.loading import Loaded

__all__ = [
    "OLDEST",
    "ORDERS",
    "REPORT",
    "RUNNING",
    "VARIABLE",
    "Report",
    "bring_up",
    "describe",
    "main",
]

VARIABLE = "HOSTKERNEL_BOOTSTRAP"
ORDERS = "orders.toml"
REPORT = "report.jsonl"

RUNNING = "running the host"  # the step in which the user's code begins to run

OLDEST = (3, 11)
_MODULE = "_hostkernel_bootstrap"


class CannotStartError(Exception):
    """The kernel cannot start in this host, for a reason that needs no traceback."""

    def __init__(self, reason: str, hint: Optional[str] = None) -> None:
        super().__init__(reason)
        self.hint = hint


class Trouble(NamedTuple):
    """Why the kernel did not start, with a traceback where one helps."""

    reason: str
    traceback: Optional[str]
    hint: Optional[str]


class Report:
    """The progress of a start: one JSON object per line, in memory only if ``file`` is None."""

    def __init__(self, file: Optional[str] = None) -> None:
        self.file = file
        self.current = "reading the orders"
        self.is_ready = False

    def begin(self) -> None:
        """Report this process and its Python version, before anything can go wrong."""
        try:
            namespace = os.readlink("/proc/self/ns/pid")
        except OSError:
            namespace = ""
        python = "{}.{}".format(*sys.version_info[:2])
        self._write(event="process", pid=os.getpid(), namespace=namespace, python=python)

    def step(self, name: str) -> None:
        """Report the step that begins now."""
        self.current = name
        self._write(event="step", step=name)

    def ready(self, kernel_id: str, connection_file: str) -> None:
        """Report that clients can connect; a later error is not a failure to start."""
        self.is_ready = True
        self._write(event="ready", kernel_id=kernel_id, connection_file=connection_file)

    def failed(self, error: BaseException) -> None:
        """Report why the kernel did not start."""
        self._write(event="error", step=self.current, **describe(error)._asdict())

    def ended(self, status: int, text: str) -> None:
        """Report the script's own end, as Python shows it; this is not an error of hostkernel."""
        self._write(event="ended", status=status, text=text)

    def _write(self, **record: object) -> None:
        if self.file is None:
            return
        try:
            with open(self.file, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        except FileNotFoundError:
            self.file = None  # The process that started this host no longer waits.


def describe(error: BaseException) -> Trouble:
    """Why the kernel did not start."""
    hint = getattr(error, "hint", None)
    lacking = _lacking(error)
    if lacking is not None:
        return lacking
    if _is_plain(error):
        return Trouble(str(error), None, hint)
    return Trouble(_reason(error), "".join(_lines(error)), hint)


def _lacking(error: BaseException) -> Optional[Trouble]:
    """What to say of a module that needs shared libraries which this system has not."""
    if not isinstance(error, ImportError) or "hostkernel.host" not in sys.modules:
        return None
    from hostkernel.host.libraries import install_advice, missing_of

    libraries = missing_of(error)
    if not libraries:
        return None
    module = os.path.basename(os.path.dirname(error.path or "")) or error.name or "a module"
    reason = "{} needs shared libraries that are not installed: {}"
    return Trouble(reason.format(module, ", ".join(libraries)), None, install_advice(libraries))


def _note_lacking(error: BaseException) -> None:
    """Have the traceback of a script's failed import say how to cure it."""
    lacking = _lacking(error)
    if lacking is not None and lacking.hint:
        error.add_note("{}\n{}".format(lacking.reason, lacking.hint))


def _is_plain(error: BaseException) -> bool:
    if isinstance(error, CannotStartError):
        return True
    errors = sys.modules.get("hostkernel.errors")
    return errors is not None and isinstance(error, errors.HostkernelError)


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it exited with status {} before its kernel was up".format(error.code or 0)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return traceback.format_exception_only(type(error), error)[-1].strip()


def _lines(error: BaseException) -> List[str]:
    return traceback.format_exception(type(error), error, error.__traceback__)


def main() -> None:
    """Follow the orders and report; called once, inside the host, on its main thread."""
    folder = os.environ.pop(VARIABLE)
    report = Report(os.path.join(folder, REPORT))
    report.begin()
    status = 0
    try:
        _check_version()
        status = _follow(_take_orders(folder), report)
    except BaseException as error:
        if report.is_ready:
            raise
        report.failed(error)
        if report.file is None:
            traceback.print_exc()
    if status:
        raise SystemExit(status)


def _check_version() -> None:
    if sys.version_info[:2] < OLDEST:
        raise CannotStartError(
            "this host's Python is {}.{}; hostkernel needs {}.{} or newer".format(
                *(sys.version_info[:2] + OLDEST)
            )
        )


def _take_orders(folder: str) -> Dict[str, Any]:
    import tomllib

    file = os.path.join(folder, ORDERS)
    with open(file, "rb") as stream:
        orders = tomllib.load(stream)
    os.unlink(file)
    wanted, here = orders["python"], "{}.{}".format(*sys.version_info[:2])
    if wanted != here:
        raise CannotStartError(
            "this host's Python is {}, hostkernel is installed for {}".format(here, wanted),
            "Install hostkernel for Python {} and run it from there.".format(here),
        )
    return orders


def _follow(orders: Dict[str, Any], report: Report) -> int:
    before = list(sys.path)
    added = _put_in_front(orders["sites"])
    try:
        return _start(orders, report, lambda: _put_behind(added))
    except BaseException:
        if not report.is_ready:
            sys.path[:] = before
        raise


def _start(orders: Dict[str, Any], report: Report, when_up: Callable[[], None]) -> int:
    report.step("importing hostkernel")
    from hostkernel.config import load_dump
    from hostkernel.loading import read

    report.step("loading plugins")
    tables = load_dump(orders["settings"], "the settings that hostkernel run passed")
    loaded = read(tables).check()
    return bring_up(loaded.host(orders["host"]), loaded, orders, report, when_up)


def bring_up(
    host: "Host",
    loaded: "Loaded",
    orders: Dict[str, Any],
    report: Report,
    when_up: Callable[[], None] = lambda: None,
) -> int:
    """Hand the kernel over to the adapter; called inside the host, on its main thread.

    Args:
        host: the adapter.
        loaded: the settings and the plugins of this process.
        orders: ``kernel_id``, ``args``, ``owns_process``, ``windowed``, and optionally
            ``connection_file`` and ``parent``.
        report: records the steps, and when the kernel is up.
        when_up: called when the kernel is up, before ``report`` records it.

    Returns:
        0, or the exit status of a script that ended by an exception, which is shown or reported.
    """
    report.step("importing the kernel")
    from hostkernel.host import ScriptEnd
    from hostkernel.kernel.manager import HostKernelManager

    def up(kernel: "Kernel") -> None:
        if not report.is_ready:
            when_up()
            report.ready(kernel.id, str(kernel.connection_file))

    loaded.plugins.register("bootstrap", _announcer(up))
    file = orders.get("connection_file")
    manager = HostKernelManager(
        host,
        loaded.settings,
        loaded.plugins,
        kernel_id=orders["kernel_id"],
        connection_file=pathlib.Path(file) if file else None,
    )
    if "parent" in orders:
        guardian = _guardian(manager, orders["parent"], orders["windowed"])
        loaded.plugins.register("guardian", guardian)
    if orders["owns_process"]:
        manager.stop_on_signals()
        _stop_on_hangup(manager)
    report.step(RUNNING)
    try:
        host.main(manager, tuple(orders["args"]))
    except BaseException as error:
        _note_lacking(error)
        end = ScriptEnd.of(error) if orders["owns_process"] else None
        if end is None:
            raise
        report.ended(end.status, end.text)
        if report.is_ready or report.file is None:
            end.show()
        return end.status
    if orders["owns_process"] and not report.is_ready:
        raise CannotStartError("the host ended without starting its kernel")
    return 0


def _announcer(up: "Callable[[Kernel], None]") -> object:
    from hostkernel.hookspecs import hookimpl

    class Announcer:
        @hookimpl
        def hostkernel_started(self, kernel: "Kernel") -> None:
            up(kernel)

    return Announcer()


def _guardian(manager: "HostKernelManager", parent: int, windowed: bool) -> object:
    from hostkernel.launch.guardian import Guardian

    def end(reason: str) -> None:
        manager.request_stop(reason, exit_host=True)

    return Guardian(parent, windowed=windowed, end=end)


def _stop_on_hangup(manager: "HostKernelManager") -> None:
    """Stop when the terminal is closed; it may send SIGHUP twice, which must not mean "at once"."""

    def stop(_number: int, _frame: object) -> None:
        if not manager.is_running:
            raise SystemExit("the terminal was closed")
        manager.request_stop("SIGHUP", exit_host=True)

    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
        signal.signal(hangup, stop)


def _put_in_front(sites: List[str]) -> List[str]:
    """Add site directories in front of ``sys.path``; return the new entries.

    Behind them, the host's own, older copies do not shadow what the kernel needs.
    """
    before = list(sys.path)
    for directory in sites:
        site.addsitedir(directory)
    added = [entry for entry in sys.path if entry not in before]
    sys.path[:] = added + before
    return added


def _put_behind(added: List[str]) -> None:
    """Move ``added`` to the end, so that the host's own packages win again."""
    behind = [entry for entry in added if entry in sys.path]
    sys.path[:] = [entry for entry in sys.path if entry not in added] + behind


def _run_apart(code: types.CodeType) -> None:
    # Some hosts clear the namespace that a start script ran in, some run the script twice, some
    # do not set __file__, and some run its text, so that it has no file. So everything happens
    # in a separate module, made from the code object that runs now.
    file = os.path.abspath(code.co_filename)
    if os.path.isfile(file):
        folder = os.path.dirname(file)
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    module = sys.modules[_MODULE] = types.ModuleType(_MODULE)
    module.__file__ = file
    exec(code, module.__dict__)
    module.main()


if __name__ not in (_MODULE, "hostkernel.launch.bootstrap"):
    if VARIABLE in os.environ:
        _run_apart(sys._getframe().f_code)
    elif _MODULE not in sys.modules:
        sys.stderr.write("This file is for hosts that `hostkernel run` starts.\n")
