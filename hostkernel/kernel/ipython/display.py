"""What cells show: representations, results and displays, published and perhaps echoed.

Each override says what it does, then what upstream does, as in
:mod:`hostkernel.kernel.ipython.shell`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.zmqshell import ZMQDisplayPublisher
from IPython.core.formatters import DisplayFormatter

if TYPE_CHECKING:
    from .shell import HostShell

__all__ = ["HostDisplayFormatter", "HostDisplayHook", "HostDisplayPublisher"]


class HostDisplayFormatter(DisplayFormatter):
    """Makes the representations of a result."""

    def format(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Return ``repr()`` alone for an object that lies about its class.

        Upstream: fails for it. Some C++ bindings answer every attribute, ``__class__`` included.
        """
        if _has_class(obj):
            return super().format(obj, *args, **kwargs)
        return {"text/plain": repr(obj)}, {}


def _has_class(obj: Any) -> bool:
    try:
        return isinstance(obj.__class__, type)
    except Exception:
        return False


class HostDisplayHook(ZMQShellDisplayHook):
    """Publishes results."""

    shell: HostShell

    def __call__(self, result: Any = None) -> None:
        """Publish a cell's result; leave a result of the host's own code to the host's hook."""
        if self.shell.descends_from_cell:
            super().__call__(result)
        else:
            self.shell.kernel.owner.names.of_host("sys.displayhook")(result)

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        """Do what upstream does, and echo to the host's console if ``kernel.echo`` is set."""
        super().write_format_data(format_dict, md_dict)
        text = format_dict.get("text/plain")
        if text is not None:
            self.shell.show(f"Out[{self.prompt_count}]: {text}\n")


class HostDisplayPublisher(ZMQDisplayPublisher):
    """Publishes what cells display."""

    shell: HostShell

    def publish(self, data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Do what upstream does, and echo to the host's console if ``kernel.echo`` is set."""
        super().publish(data, *args, **kwargs)
        if "text/plain" in data:
            self.shell.show(f"{data['text/plain']}\n")
