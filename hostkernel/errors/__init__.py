"""Every error that hostkernel raises on purpose.

    HostkernelError
    ├── ConfigError                   one or more problems in the settings
    ├── PluginError                   one plugin is broken; says which, where and how
    ├── HostError
    │   ├── UnknownHostError          no adapter of that name
    │   ├── AmbiguousHostError        two unrelated adapters claim this process
    │   ├── HostNotFoundError         the application is not on this machine
    │   ├── ScriptNotFoundError       the script that the host was to run is not there
    │   └── HostVetoError             the adapter refuses to start here
    ├── ConnectionFileError           missing, unreadable or wrong connection file
    ├── KernelError
    │   ├── AlreadyRunningError       start while running
    │   ├── NotRunningError           stop while stopped
    │   ├── ShellExistsError          this process already has an IPython shell
    │   ├── StartError                the kernel's own parts could not be set up
    │   ├── WrongThreadError          called off the host's main thread
    │   ├── KernelTimeoutError        the main thread did not take a call in time
    │   └── RequestError              a running kernel did not do what it was asked from outside
    ├── LaunchError                   the host did not start, or started without its kernel
    │   └── ScriptError               its script ended before the kernel was up
    ├── KernelspecError               a kernelspec cannot be written or removed
    ├── LogError                      no log was found
    ├── MissingExtraError             a command needs a package that is not installed
    ├── NotebookError                 a notebook cannot be read, run to its end, or written
    └── SelectionError                no running kernel, or several, match

Errors are built from fields, so that a caller can act on them; ``str()`` gives one
plain wording and the command line its own.
"""

from .base import HostkernelError
from .commands import KernelspecError, LogError, MissingExtraError, NotebookError, SelectionError
from .hosts import (
    AmbiguousHostError,
    HostError,
    HostNotFoundError,
    HostVetoError,
    LaunchError,
    ScriptError,
    ScriptNotFoundError,
    UnknownHostError,
)
from .kernel import (
    AlreadyRunningError,
    ConnectionFileError,
    KernelError,
    KernelTimeoutError,
    NotRunningError,
    RequestError,
    ShellExistsError,
    StartError,
    WrongThreadError,
)
from .settings import ConfigError, PluginError, Problem

__all__ = [
    "AlreadyRunningError",
    "AmbiguousHostError",
    "ConfigError",
    "ConnectionFileError",
    "HostError",
    "HostNotFoundError",
    "HostVetoError",
    "HostkernelError",
    "KernelError",
    "KernelTimeoutError",
    "KernelspecError",
    "LaunchError",
    "LogError",
    "MissingExtraError",
    "NotRunningError",
    "NotebookError",
    "PluginError",
    "Problem",
    "RequestError",
    "ScriptError",
    "ScriptNotFoundError",
    "SelectionError",
    "ShellExistsError",
    "StartError",
    "UnknownHostError",
    "WrongThreadError",
]
