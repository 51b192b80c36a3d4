"""Outside: why a host would not start, or not work well, and what to do about it.

Each check is a generator of :class:`~hostkernel.host.Finding`; none of them starts a host.
"""

from .examine import Checked, examine

__all__ = ["Checked", "examine"]
