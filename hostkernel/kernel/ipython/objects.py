"""ipykernel's object graph of one start: made, renewed by a soft restart, and taken down."""

from __future__ import annotations

import gc
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import ipykernel.ipkernel
from tornado.ioloop import IOLoop

from hostkernel.errors import StartError
from hostkernel.kernel.guest.plain_loops import plain_loops
from hostkernel.kernel.process.namespace import let_go
from hostkernel.kernel.process.residue import AtexitRecord

from . import comms
from .app import HostKernelApp
from .interpreter import PipMagics
from .plots import connect_plots, disconnect_plots
from .script_magics import end_scripts
from .wire import Restraint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from hostkernel.connection import ConnectionInfo

    from .kernel import HostIPythonKernel
    from .services import Owner
    from .shell import HostShell

__all__ = ["KernelSession"]

log = logging.getLogger("hostkernel.kernel")

_IPYKERNELS_LOG = "hostkernel.kernel.ipykernel"  # ipykernel's own messages, apart from hostkernel's
_NO_EXTENSION = "no load function"  # what IPython returns
_UNTIL_COLLECTION = 1.0  # seconds from a restart to the garbage collection


class KernelSession:
    """ipykernel's objects. On the kernel's thread, whose loop has to run for :meth:`start` only.

    Args:
        owner: the embedding, for the kernel and the shell.
    """

    def __init__(self, owner: Owner) -> None:
        self._atexit = AtexitRecord()
        self._answers = False
        comms.take()
        self._cancel_collection: Callable[[], object] = bool
        self._restraint = Restraint(_IPYKERNELS_LOG, "ipykernel.comm", "Comm")
        self._app: HostKernelApp = HostKernelApp.instance(
            owner=owner, log=logging.getLogger(_IPYKERNELS_LOG)
        )

    @property
    def kernel(self) -> HostIPythonKernel:
        """The kernel that speaks to clients."""
        kernel: HostIPythonKernel = self._app.kernel
        return kernel

    @property
    def shell(self) -> HostShell:
        """The shell that runs cells."""
        return self.kernel.shell

    @property
    def namespace(self) -> MutableMapping[str, Any]:
        """The cells' current namespace."""
        namespace: MutableMapping[str, Any] = self.shell.user_ns
        return namespace

    @property
    def is_alive(self) -> bool:
        """Whether the threads that answer clients run."""
        threads = (self._app.control_thread, self._app.shell_channel_thread)
        return all(thread is not None and thread.is_alive() for thread in threads)

    def start(self, info: ConnectionInfo) -> ConnectionInfo:
        """Take the sockets and begin to answer; return ``info`` with the ports that were taken."""
        self._app.use(info)
        with self._atexit.recording(), plain_loops():
            self._initialize()
        self._app.kernel.start()
        self._answers = True
        # The manager has its own atexit entry, which does all of this and more.
        self._atexit.unregister()
        return self._app.taken(info)

    def _initialize(self) -> None:
        try:
            self._app.initialize([])
        except SystemExit as error:
            # The user's own IPython configuration raised it: it must not end the host.
            raise StartError(f"SystemExit({error.code!r}) while IPython was set up") from error

    def tell_file(self, file: str) -> None:
        """Make ``ipykernel.connect.get_connection_file()`` return ``file`` in cells."""
        self._app.connection_file = file

    def watch(self, descriptor: int, read: Callable[..., None]) -> Callable[[], None]:
        """Have the IOPub thread call ``read`` while ``descriptor`` is readable.

        Returns:
            A function that ends the watch.
        """
        thread = self._app.iopub_thread
        loop, changing = thread.io_loop, threading.Lock()
        ended = began = False

        def begin() -> None:
            nonlocal began
            with changing:  # the caller of end() closes the descriptor next
                if not ended:
                    loop.add_handler(descriptor, read, IOLoop.READ)
                    began = True

        def end() -> None:
            nonlocal ended
            with changing:
                ended = True
            if began:
                thread.schedule(partial(loop.remove_handler, descriptor))

        thread.schedule(begin)
        return end

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call ``function`` after ``seconds``, in the control thread. Any thread."""
        loop = self._app.control_thread.io_loop
        loop.add_callback(loop.call_later, seconds, function)

    def furnish(self, namespace: Iterable[Mapping[str, object]]) -> None:
        """Give a fresh shell its magics, plots, widgets, and the names that plugins bring."""
        self.shell.register_magics(PipMagics)
        connect_plots(self.shell)
        comms.connect_widgets()
        for names in namespace:
            self.shell.push(dict(names), interactive=False)

    def load_extension(self, name: str) -> None:
        """Load an IPython extension that a plugin names.

        Raises:
            Exception: whatever the extension raises; ImportError if ``name`` is not an extension.
        """
        said = self.shell.extension_manager.load_extension(name)
        if said == _NO_EXTENSION:
            message = f"{name} has no load_ipython_extension()"
            raise ImportError(message, name=name)

    def renew(self) -> None:
        """Make a fresh shell behind the same sockets, threads and key: a soft restart."""
        kernel = self.kernel
        # No "restarting": JupyterLab would tell its user that the kernel appears to have died.
        self._forget_outputs()
        self._close_shell()
        with self._atexit.recording():
            kernel.shell = type(self.shell).instance(
                parent=kernel,
                profile_dir=kernel.profile_dir,
                user_module=None,
                user_ns=None,
                kernel=kernel,
                compiler_class=kernel.compiler_class,
            )
        self._atexit.unregister()
        self._wire_shell()
        self._app.init_shell()
        self._app.init_extensions()
        self._app.init_code()
        kernel._publish_status("starting", "shell")
        kernel._publish_status("idle", "shell")
        self._app.iopub_thread.forget_dead_threads()
        self._collect_later()

    def _wire_shell(self) -> None:
        # Do what IPythonKernel.__init__ does with a new shell: it cannot be called for that alone.
        kernel, shell = self.kernel, self.shell
        shell.displayhook.session = kernel.session
        shell.displayhook.pub_socket = kernel.iopub_socket
        shell.displayhook.topic = kernel._topic("execute_result")
        shell.display_pub.session = kernel.session
        shell.display_pub.pub_socket = kernel.iopub_socket
        shell.configurables.append(kernel.comm_manager)

    def _forget_outputs(self) -> None:
        # Otherwise IPython forgets them, and then collects the garbage of the whole host, which
        # takes most of a restart's time.
        hook = self.shell.displayhook
        hook.do_full_cache = False
        hook._ = hook.__ = hook.___ = ""

    def _collect_later(self) -> None:
        # The cells' objects are full of reference cycles, and may be large.
        self._cancel_collection()
        loop = self.kernel.io_loop
        collection = loop.call_later(_UNTIL_COLLECTION, gc.collect)
        self._cancel_collection = partial(loop.remove_timeout, collection)

    def _close_shell(self) -> None:
        comms.forget(self.kernel.comm_manager)
        disconnect_plots()
        shell = self.shell
        end_scripts(shell)
        # At its end IPython empties the namespace, which functions that cells handed out still use.
        let_go(shell.user_ns)
        shell.user_module, shell.user_ns = shell.prepare_user_module()
        shell.atexit_operations()
        type(shell).clear_instance()

    def close(self) -> None:
        """Take everything down, also after a start that failed half-way."""
        app, kernel = self._app, self._app.kernel
        self._cancel_collection()
        try:
            if kernel is not None:
                if self._answers:
                    app.drain()
                    app.leave_loop()
                kernel.leave_debugger()
                self._close_shell()
                app.cancel_service_tasks()
                type(kernel).clear_instance()
        finally:
            app.close_all()
            self._restraint.close()
            self._atexit.unregister()
            type(app).clear_instance()
            # Private: the process's only comm manager, whose comms hold callbacks.
            ipykernel.ipkernel._comm_manager = None
