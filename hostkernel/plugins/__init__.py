"""Load plugins one by one, call their hooks one by one, and blame precisely."""

from .registry import Plugins
from .sources import FAILURES, PluginInfo

__all__ = ["FAILURES", "PluginInfo", "Plugins"]
