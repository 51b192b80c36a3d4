"""The API for authors of host adapters.

A host is an application with Python inside. Its adapter is one class, a subclass of
:class:`Host`, that a plugin returns from the hook ``hostkernel_hosts``. Everything but
``name`` has a working default. *Inside* means in the host's process, *outside* in the
user's shell or Jupyter server.
"""

from hostkernel.processes import current_environment

from .adapter import Host
from .entry import guard, guarded
from .launching import Finding, Installation, Launch, LaunchRequest
from .libraries import install_advice, missing_libraries
from .loop import ExceptHook, HostLoop, Kernel, PostLoop, Tick, Wakes
from .scripts import ScriptEnd, run_script, script_path
from .settings import HostPaths, HostSettings

__all__ = [
    "ExceptHook",
    "Finding",
    "Host",
    "HostLoop",
    "HostPaths",
    "HostSettings",
    "Installation",
    "Kernel",
    "Launch",
    "LaunchRequest",
    "PostLoop",
    "ScriptEnd",
    "Tick",
    "Wakes",
    "current_environment",
    "guard",
    "guarded",
    "install_advice",
    "missing_libraries",
    "run_script",
    "script_path",
]
