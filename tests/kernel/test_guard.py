"""The code of others that ours overrides or reaches into is still what was read.

Read were ipykernel 7.3.0 and 7.4.0, IPython 9.18.1, jupyter_client 8.9.0 and 8.10.0, and traitlets
5.16.1. When this fails after
an upgrade: read the change, decide whether our side still does all that the original does but
the harm, then put the new digest beside the old one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import pkgutil
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import hostkernel.kernel.ipython

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHERS = ("ipykernel", "IPython", "jupyter_client", "traitlets")
# What a class statement itself puts there.
NO_OVERRIDES = {"__module__", "__doc__", "__annotations__", "__qualname__", "__init_subclass__"}

# Overridden, or called or copied in parts though private: the newest version's digest first.
READ = {
    "ipykernel.displayhook:ZMQShellDisplayHook.write_format_data": ("a2bcdec66a02",),
    "ipykernel.debugger:DebugpyClient.get_host_port": ("fe4f340e3341",),
    "ipykernel.debugger:Debugger.start": ("992b3b2b25f8", "54741eb9f093"),
    "ipykernel.heartbeat:Heartbeat.__init__": ("a979860820a1",),
    "ipykernel.heartbeat:Heartbeat._bind_socket": ("b241091e303c",),
    "ipykernel.heartbeat:Heartbeat._try_bind_socket": ("89ca73076b8f",),
    "ipykernel.heartbeat:Heartbeat.pick_port": ("7fd5f41c8dd1",),
    "ipykernel.heartbeat:Heartbeat.run": ("fe74c5741dd0", "a37367f5725d"),
    "ipykernel.iostream:IOPubThread.__init__": ("27093efd0b65", "4262dd5c593c"),
    "ipykernel.iostream:IOPubThread._event_pipe_gc": ("a33db3c877b8",),
    "ipykernel.iostream:IOPubThread._handle_event": ("11930010b1d0",),
    "ipykernel.iostream:IOPubThread._handle_subscription": ("9750739fa646",),
    "ipykernel.iostream:IOPubThread.schedule": ("383e26214d54",),
    "ipykernel.iostream:IOPubThread._really_send": ("91bc03b88b48",),
    "ipykernel.iostream:IOPubThread.send_multipart": ("4346d29d6640",),
    "ipykernel.iostream:OutStream.__init__": ("4e4012ea3458",),
    "ipykernel.iostream:OutStream._flush": ("31919e6a3459",),
    "ipykernel.iostream:OutStream._schedule_flush": ("b8ef59bea033",),
    "ipykernel.iostream:OutStream.close": ("30326f1a4859",),
    "ipykernel.iostream:OutStream.closed": ("fd127c2cf2e1",),
    "ipykernel.iostream:OutStream.fileno": ("c10e92fd05a0",),
    "ipykernel.iostream:OutStream.flush": ("f19196110558",),
    "ipykernel.iostream:OutStream.set_parent": ("d1515ad46bf8", "0c933271c14c"),
    "ipykernel.iostream:OutStream.write": ("3e7601e76572",),
    "ipykernel.iostream:OutStream.writelines": ("1c2093dc4f68",),
    "ipykernel.ipkernel:_create_comm": ("5093b98114a5",),
    "ipykernel.ipkernel:_get_comm_manager": ("073af4669c9c",),
    "ipykernel.ipkernel:IPythonKernel.__init__": ("27165106528c",),
    "ipykernel.ipkernel:IPythonKernel._cancel_on_sigint": ("2669b6260760",),
    "ipykernel.ipkernel:IPythonKernel.do_complete": ("af0e9bac8b80",),
    "ipykernel.ipkernel:IPythonKernel.do_debug_request": ("bcffe638d675",),
    "ipykernel.ipkernel:IPythonKernel.do_execute": ("c9da5d42d7e8", "1df49ab9c26b"),
    "ipykernel.ipkernel:IPythonKernel.do_history": ("9876b8b176d9",),
    "ipykernel.ipkernel:IPythonKernel.do_inspect": ("73813874d594",),
    "ipykernel.ipkernel:IPythonKernel.finish_metadata": ("85b021b83c01",),
    "ipykernel.ipkernel:IPythonKernel.poll_stopped_queue": ("a6f1183a4636",),
    "ipykernel.ipkernel:IPythonKernel.set_parent": ("6d456bb03678",),
    "ipykernel.ipkernel:IPythonKernel.start": ("aca1f1320168",),
    "ipykernel.ipkernel:IPythonKernel._restore_input": ("664494c54fbd",),
    "ipykernel.ipkernel:IPythonKernel._forward_input": ("2adfbae837cc",),
    "ipykernel.kernelapp:IPKernelApp._apply_curve_client_options": ("22f3a3ae33ac",),
    "ipykernel.kernelapp:IPKernelApp._apply_curve_server_options": ("51c5ce801f17",),
    "ipykernel.kernelapp:IPKernelApp._try_bind_socket": ("d2bbc373e37c",),
    "ipykernel.kernelapp:IPKernelApp.close": ("58dccb67919b",),
    "ipykernel.kernelapp:IPKernelApp.configure_tornado_logger": ("3cf17faaa2ce",),
    "ipykernel.kernelapp:IPKernelApp.init_blackhole": ("cfb6c3f926bd",),
    "ipykernel.kernelapp:IPKernelApp.init_connection_file": ("c630dab67e62",),
    "ipykernel.kernelapp:IPKernelApp.init_control": ("4fa2ff111f57", "53f8c43d9fe9"),
    "ipykernel.kernelapp:IPKernelApp.init_crash_handler": ("638baa0cf60b",),
    "ipykernel.kernelapp:IPKernelApp.init_gui_pylab": ("bebfdfd3053f",),
    "ipykernel.kernelapp:IPKernelApp.init_heartbeat": ("3100b31905c0",),
    "ipykernel.kernelapp:IPKernelApp.init_io": ("eeb86431a94d",),
    "ipykernel.kernelapp:IPKernelApp.init_iopub": ("0225315f00cc",),
    "ipykernel.kernelapp:IPKernelApp.init_kernel": ("431d9412eb61", "c310f8bdff63"),
    "ipykernel.kernelapp:IPKernelApp.init_pdb": ("d00331b60f0e", "cbaf4d7d9215"),
    "ipykernel.kernelapp:IPKernelApp.init_path": ("8c0a798497ec",),
    "ipykernel.kernelapp:IPKernelApp.init_poller": ("c172a785a6cb",),
    "ipykernel.kernelapp:IPKernelApp.init_signal": ("1cc9a8700fd0",),
    "ipykernel.kernelapp:IPKernelApp.init_sockets": ("c201bfa779c8",),
    "ipykernel.kernelapp:IPKernelApp.initialize": ("17d9237d3735", "53fe2497f858"),
    "ipykernel.kernelapp:IPKernelApp.log_connection_info": ("b3300543203d",),
    "ipykernel.kernelapp:IPKernelApp.patch_io": ("21634c2b9e3e",),
    "ipykernel.kernelapp:IPKernelApp.reset_io": ("0a7f70960691",),
    "ipykernel.kernelapp:IPKernelApp.write_connection_file": ("1973df51300e",),
    "ipykernel.kernelbase:Kernel._abort_queues": ("8d578b5ee6ef",),
    "ipykernel.kernelbase:Kernel._at_shutdown": ("d891b940f48d", "9542805b5739"),
    "ipykernel.kernelbase:Kernel._send_interrupt_children": ("a1b122896d18",),
    "ipykernel.kernelbase:Kernel._input_request": ("2bfc5ec8e723", "9f58050c64a1"),
    "ipykernel.kernelbase:Kernel._post_dummy_stop_aborting_message": ("88a678d5ebd7",),
    "ipykernel.kernelbase:Kernel.dispatch_control": ("6d870e715dda",),
    "ipykernel.kernelbase:Kernel.dispatch_shell": ("4bcb1c663ffa", "f60366be74ab"),
    "ipykernel.kernelbase:Kernel.execute_request": ("e4f482cc0be2", "ef9711bd31fe"),
    "ipykernel.kernelbase:Kernel.getpass": ("23913fb15353", "d68812ee6f9d"),
    "ipykernel.kernelbase:Kernel.interrupt_request": ("cdd15c21c29b",),
    "ipykernel.kernelbase:Kernel.kernel_info": ("ea94fce6a688",),
    "ipykernel.kernelbase:Kernel.post_handler_hook": ("32942fb92fb8",),
    "ipykernel.kernelbase:Kernel.pre_handler_hook": ("3400b815e9d6",),
    "ipykernel.kernelbase:Kernel.raw_input": ("3e10df6695db",),
    "ipykernel.kernelbase:Kernel.shell_channel_thread_main": ("a41f2e577c3a", "cc938ab5bc18"),
    "ipykernel.kernelbase:Kernel.shell_main": ("34c43e31dd64", "c9418e5de241"),
    "ipykernel.kernelbase:Kernel.shutdown_request": ("3e66313a516c", "070c1902850e"),
    "ipykernel.kernelbase:Kernel.start": ("9182b2878004", "4847df8ed5d0"),
    "ipykernel.socket_pair:SocketPair.close": ("157afae9b678",),
    "ipykernel.socket_pair:SocketPair.on_recv": ("705eacd70cef",),
    "ipykernel.subshell_manager:SubshellManager.__init__": ("2dc46c1451de", "f88412de72f5"),
    "ipykernel.subshell_manager:SubshellManager.close": ("897911344447",),
    "ipykernel.subshell_manager:SubshellManager.get_subshell_to_shell_channel_socket": (
        "c9b443823c40",
        "198eb612bb39",
    ),
    "ipykernel.subshell_manager:SubshellManager.set_on_recv_callback": ("e6d6640809ee",),
    "ipykernel.thread:BaseThread.run": ("84c1e4e7bee1",),
    "ipykernel.zmqshell:ZMQDisplayPublisher.publish": ("9bc65551ed53",),
    "ipykernel.zmqshell:ZMQInteractiveShell.__init__": ("0ddffb7c4d47", "3df332bb637b"),
    "ipykernel.zmqshell:ZMQInteractiveShell._showtraceback": ("9d311fb3fb94",),
    "ipykernel.zmqshell:ZMQInteractiveShell._update_exit_now": ("e62d3a59bd79",),
    "ipykernel.zmqshell:ZMQInteractiveShell.ask_exit": ("6107e7e6301a",),
    "ipykernel.zmqshell:ZMQInteractiveShell.enable_gui": ("e7507489eb06",),
    "ipykernel.zmqshell:ZMQInteractiveShell.init_environment": ("0a56c02b77cc",),
    "ipykernel.zmqshell:ZMQInteractiveShell.run_cell": ("51f0ec0a268d",),
    "ipykernel.zmqshell:ZMQInteractiveShell.system": ("d64da95decbd",),
    "ipykernel.zmqshell:ZMQInteractiveShell.system_piped": ("d64da95decbd",),
    "ipykernel.connect:get_connection_file": ("4a1f0be16290",),
    "IPython.core.debugger:Pdb.__init__": ("1532a76659f0",),
    "IPython.core.history:HistoryManager.__init__": ("b2e996a7eb99",),
    "IPython.core.history:HistoryManager._stop_save_thread": ("5bfb85b112a5",),
    "IPython.core.history:HistoryManager.store_inputs": ("fb8e56e3b793",),
    "IPython.core.history:HistoryManager.writeout_cache": ("dd8453d0edfc",),
    "IPython.core.history:HistorySavingThread.run": ("0ca988b0cb5e",),
    "IPython.core.interactiveshell:ExecutionInfo.__init__": ("d04d64fccd5a",),
    "IPython.core.interactiveshell:InteractiveShell._get_exc_info": ("81e62e5c1639",),
    "IPython.core.interactiveshell:InteractiveShell._format_exception_for_storage": (
        "68a42f4c7824",
    ),
    "IPython.core.interactiveshell:InteractiveShell._run_cell": ("29aa877866f9",),
    "IPython.core.interactiveshell:InteractiveShell.atexit_operations": ("2e7dbf4c4044",),
    "IPython.core.interactiveshell:InteractiveShell.init_history": ("17a01980c5ec",),
    "IPython.core.interactiveshell:InteractiveShell.init_pdb": ("4a62ef28cb1a",),
    "IPython.core.interactiveshell:InteractiveShell.init_prompts": ("805675ff0c3e",),
    "IPython.core.interactiveshell:InteractiveShell.init_sys_modules": ("9e8f65852033",),
    "IPython.core.interactiveshell:InteractiveShell.showtraceback": ("c855697fd501",),
    "IPython.core.interactiveshell:InteractiveShell.run_ast_nodes": ("b68bc2345d11",),
    "IPython.core.interactiveshell:InteractiveShell.run_cell_async": ("7423e679f095",),
    "IPython.core.interactiveshell:InteractiveShell.run_code": ("d8ba8ffffb13",),
    "IPython.core.interactiveshell:InteractiveShell.excepthook": ("20c0aba70faf",),
    "IPython.core.interactiveshell:InteractiveShell.init_builtins": ("6abcdc2f1703",),
    "IPython.core.interactiveshell:InteractiveShell.init_display_formatter": ("50c7b3136154",),
    "IPython.core.interactiveshell:InteractiveShell.prepare_user_module": ("bc16e5cabe2f",),
    "IPython.core.interactiveshell:InteractiveShell.transform_cell": ("bc264e8367dd",),
    "IPython.core.interactiveshell:InteractiveShell.user_expressions": ("f7ee456d5598",),
    "IPython.core.interactiveshell:InteractiveShell.should_run_async": ("efdcfd4b05a1",),
    "IPython.core.magics.script:ScriptMagics.kill_bg_processes": ("7cba4c7eba44",),
    "IPython.core.magics.script:ScriptMagics.shebang": ("a8f8ca0bc8f5",),
    "IPython.core.shellapp:InteractiveShellApp._exec_file": ("049c9850e2ae",),
    "IPython.core.builtin_trap:BuiltinTrap.__init__": ("452272d8c7ff",),
    "IPython.core.displayhook:DisplayHook.__call__": ("2de2237129f3",),
    "IPython.core.formatters:DisplayFormatter.format": ("a93df502b3d1",),
    "IPython.core.getipython:get_ipython": ("2d8cd1816e5e",),
    "jupyter_client.connect:ConnectionFileMixin._ip_default": ("d3be9cf22ac9",),
    "jupyter_client.connect:ConnectionFileMixin._session_default": ("4b99e9d61a0e",),
    "jupyter_client.session:Session.send": ("6f01ce60f8b2",),
    "jupyter_client.session:Session.serialize": ("2e9ccc402921",),
    "jupyter_client.session:Session.recv": ("21cccc6133f4",),
    "jupyter_client.session:Session.__init__": ("b84e001d8938",),
    "jupyter_client.session:Session._add_digest": ("bdc83dbb1ade",),
    "jupyter_client.session:Session.deserialize": ("c59a030708bc",),
    "jupyter_client.session:json_packer": ("86a546e331ca",),
    "traitlets.config.application:Application._configure_logging": ("70d150957bd4",),
    "traitlets.config.application:Application.exit": ("75cb61358c8e",),
    "traitlets.config.configurable:SingletonConfigurable.initialized": ("75a14ce1b0f2",),
}


def function_of(found: Any) -> Any:
    """The function behind a property or a method."""
    return getattr(found, "fget", None) or getattr(found, "func", None) or found


def digest(name: str) -> str:
    """Of the source of ``module:Class.function``."""
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = inspect.getattr_static(found, part)
    source = textwrap.dedent(inspect.getsource(function_of(found)))
    return hashlib.sha256(source.encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", READ)
def test_it_is_what_was_read(name: str) -> None:
    distribution = name.partition(":")[0].partition(".")[0]
    found = digest(name)
    assert found in READ[name], (
        f"{name} of {distribution} {importlib.metadata.version(distribution)} is new ({found}): "
        "read it, compare it with what hostkernel/kernel/ipython overrides or uses, add the digest"
    )


def overridden() -> Iterator[str]:
    """Every function of others that a class in ``hostkernel.kernel.ipython`` overrides."""
    package = hostkernel.kernel.ipython
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for cls in vars(module).values():
            if isinstance(cls, type) and is_defined_in(cls, info.name):
                yield from overridden_by(cls)


def is_defined_in(cls: type, module: str) -> bool:
    """Also of a class that goes by the name of what it overrides."""
    functions = (getattr(found, "__module__", None) for found in vars(cls).values())
    return cls.__module__ == module or module in functions


def overridden_by(cls: type) -> Iterator[str]:
    for name in vars(cls).keys() - NO_OVERRIDES:
        bases = (base for base in cls.__mro__[1:] if name in vars(base))
        base = next(bases, None)
        if base is None or not base.__module__.startswith(OTHERS):
            continue
        if inspect.isfunction(function_of(vars(base)[name])):
            yield f"{base.__module__}:{base.__qualname__}.{name}"


def test_nothing_that_is_overridden_was_left_unread() -> None:
    found = set(overridden())
    assert len(found) > 40
    assert found <= READ.keys()
