"""jupyter_kernel_test against one kernelspec, in a process of its own: ``protocol.py NAME``.

Prints what became of each test and each of its parts, as JSON.
"""

from __future__ import annotations

import json
import sys
import unittest
from typing import TYPE_CHECKING, Any

import jupyter_kernel_test
from jupyter_client.manager import KernelManager
from jupyter_kernel_test import IopubWelcomeTests, KernelTests
from jupyter_kernel_test.msgspec_v5 import validate_message

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

SECONDS = 60
jupyter_kernel_test.TIMEOUT = SECONDS
MANAGER = KernelManager(kernel_name=sys.argv[1])


class Welcome(IopubWelcomeTests):
    """Before the rest: ipykernel greets the first client only."""

    support_iopub_welcome = True

    @classmethod
    def setUpClass(cls) -> None:
        cls.km, cls.kc = MANAGER, MANAGER.client()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kc.stop_channels()


class Protocol(KernelTests):
    """Nothing is skipped: there is a sample for each test."""

    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [
        {"text": "isinst", "matches": {"isinstance"}},
        {"text": "import json; json.du", "matches": {"dump", "dumps"}},
        {"text": "%%timei", "matches": {"%%timeit"}},
        {"text": "nothing_is_called_so"},
    ]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x * 2\n\n", ""]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x * 2", "for x in y:", "(1,"]
    invalid_code_samples = ["import = 7q", "1 +* 2", "return return"]
    code_page_something = "isinstance?"
    code_generate_error = "raise ValueError('on purpose')"
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "[n * n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "import asyncio; await asyncio.sleep(0.01, 'awaited')", "result": "'awaited'"},
        {"code": "from IPython.display import HTML; HTML('<b>bold</b>')", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
         "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))",
         "mime": "text/latex"},
        {"code": "display({'image/png': 'aGVsbG8='}, raw=True)", "mime": "image/png"},
        {"code": "display({'application/x-own': {'a': 1}}, raw=True)", "mime": "application/x-own"},
    ]  # fmt: skip
    code_history_pattern = "1 +*"
    supported_history_operations = ("tail", "search", "range")
    code_inspect_sample = "isinstance"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    @classmethod
    def setUpClass(cls) -> None:
        cls.km, cls.kc = MANAGER, MANAGER.client()
        cls.kc.start_channels()
        cls.kc.wait_for_ready(timeout=SECONDS)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kc.stop_channels()

    def flush_channels(self) -> None:
        """Original: takes a tenth of a second of silence for the end, which it need not be."""
        request = self.kc.kernel_info()
        _read_until(self.kc, "iopub", request, "status")
        _read_until(self.kc, "shell", request, "kernel_info_reply")

    def execute_helper(self, *args: Any, **kwargs: Any) -> Any:
        """Original: gives each output a tenth of a second, which a busy machine does not keep."""
        channel = self.kc.iopub_channel
        own = channel.get_msg
        channel.get_msg = lambda timeout: own(timeout=SECONDS)
        try:
            return super().execute_helper(*args, timeout=SECONDS, **kwargs)
        finally:
            del channel.get_msg


def _read_until(client: BlockingKernelClient, channel: str, request: str, kind: str) -> None:
    while True:
        message = getattr(client, f"{channel}_channel").get_msg(timeout=SECONDS)
        validate_message(message)
        if (
            message["parent_header"].get("msg_id") == request
            and message["msg_type"] == kind
            and message["content"].get("execution_state") != "busy"
        ):
            return


class Outcomes(unittest.TestResult):
    """What became of each test and each part."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def _note(self, test: unittest.TestCase, outcome: str) -> None:
        self.found[test.id().removeprefix("__main__.")] = outcome

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "passed")

    def addFailure(self, test: unittest.TestCase, error: Any) -> None:
        self._note(test, f"failed: {error[1]!r}")

    def addError(self, test: unittest.TestCase, error: Any) -> None:
        self.addFailure(test, error)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(test, f"skipped: {reason}")

    def addSubTest(self, test: Any, subtest: unittest.TestCase, error: Any) -> None:
        self._note(subtest, "passed" if error is None else f"failed: {error[1]!r}")


def main() -> None:
    """Run all of it on one kernel."""
    MANAGER.start_kernel()
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    outcomes = Outcomes()
    try:
        unittest.TestSuite([load(Welcome), load(Protocol)]).run(outcomes)
    finally:
        MANAGER.shutdown_kernel()
        MANAGER.cleanup_resources()
    print(json.dumps(outcomes.found))


if __name__ == "__main__":
    main()
