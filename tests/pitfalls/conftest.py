"""The hosts of the kernel's own tests."""

from kernel.conftest import each_host, host, live, live_hosts, program, told

__all__ = ["each_host", "host", "live", "live_hosts", "program", "told"]
