"""What similar projects stumbled over, and the tests that would fail if this one did.

Each pitfall has a number and one line that says what went wrong elsewhere. ``HELD`` names the
tests that hold it; those of ``test_pitfalls.py`` here carry its number in their own names. A test
sees to it that every one of them exists.
"""

from __future__ import annotations

__all__ = ["HELD", "NOT_HERE", "PITFALLS"]

PITFALLS = {
    1: "process-wide objects stay changed after the kernel is closed",
    2: "streams go back to the interpreter's, not to the host's own",
    3: "a stdout without fileno, or None, crashes the start",
    4: "the connection file stays behind, atexit handlers pile up",
    5: "a second start in one process fails",
    6: "each cycle leaks descriptors and the thread of the history database",
    7: "a client's shutdown kills the host's child processes",
    8: "after a client's shutdown a zombie kernel remains",
    9: "exit() or a shutdown stops a loop that is the host's",
    10: "an interrupt reaches the whole process group",
    11: "SIGINT is ignored from then on, by the host and by its children",
    12: "the Interrupt button does nothing: signals are dropped on the way",
    13: "on Windows an interrupt by message is refused",
    14: "a cell that awaits is interrupted by another error",
    15: "one turn of the loop per tick: a trivial cell takes several ticks",
    16: "a fixed short tick costs processor time while nothing happens",
    17: "nested event processing re-enters the pump",
    18: "an exception in the timer's callback is the pump's end",
    19: "a timer is dropped at a file load; no window or context at the start",
    20: "stop from inside a cell or the pump itself",
    21: "an add-on that is disabled leaves kernel and timer alive",
    22: "a start that fails half-way leaves its singletons behind",
    23: "one fixed connection file: two hosts collide, a dead one's key is used again",
    24: "every new notebook silently shares one namespace",
    25: "a cached status stays true after a death outside",
    26: "a kernel off the main thread logs a traceback",
    27: "no implicit event loop any more (Python 3.14)",
    28: "the Proactor loop of Windows lacks add_reader",
    29: "the host's own arguments are parsed by IPython",
    30: "sys.executable is the host's program: children start the wrong one",
    31: "site-packages of another Python version",
    32: "input() blocks the host for as long as its user thinks",
    33: "App Nap of macOS stalls a host in the background",
    34: "log handlers assume a real stderr",
    35: "one more log handler at every start: lines appear twice",
    36: "attaching a debugger needs control answered while a cell blocks",
    37: "stale host objects after another document was loaded",
    38: "pending tasks complain when the kernel stops",
    39: "output of background threads goes nowhere",
    40: "the key appears in logs",
    41: "a launcher that waits dies of an interrupt, and the host with it",
    42: "a private asyncio loop cannot be pumped from inside a running one",
}

_KERNEL = {
    1: (
        "test_residue.py::test_a_host_that_has_never_heard_of_kernels",
        "test_residue.py::test_cycles_leave_nothing_behind",
        "test_residue.py::test_signal_actions_stay_at_every_level",
    ),
    2: (
        "test_residue.py::test_streams_of_any_kind_are_given_back",
        "test_output.py::test_a_stream_that_somebody_keeps_forwards_for_ever",
    ),
    3: (
        "test_residue.py::test_streams_of_any_kind_are_given_back",
        "test_output.py::test_a_host_without_streams",
    ),
    4: (
        "test_manager.py::test_what_a_manager_says_while_it_runs",
        "test_residue.py::test_nothing_of_ours_is_called_when_the_process_ends",
    ),
    5: (
        "test_modes.py::test_ten_times_in_an_asyncio_program",
        "test_modes.py::test_ten_times_in_a_threaded_program",
        "test_modes.py::test_ten_times_served",
        "test_modes.py::test_ten_times_pumped",
    ),
    6: (
        "test_residue.py::test_cycles_leave_nothing_behind",
        "test_residue.py::test_the_history_is_kept_and_its_database_closed",
    ),
    7: (
        "test_endings.py::test_a_clients_shutdown_under_detach",
        "test_endings.py::test_a_clients_shutdown_under_stop",
    ),
    8: (
        "test_endings.py::test_a_clients_shutdown_under_detach",
        "test_endings.py::test_a_clients_shutdown_under_stop",
        "test_endings.py::test_a_clients_shutdown_under_restart",
    ),
    9: (
        "test_endings.py::test_a_clients_shutdown_under_stop",
        "test_endings.py::test_exit_in_a_cell_under_detach",
        "test_endings.py::test_exit_in_a_cell_under_other_policies",
        "test_endings.py::test_endings_raised_in_a_callback_or_task_of_a_cell",
    ),
    10: ("test_interrupt.py::test_whatever_blocks", "test_interrupt.py::test_whatever_awaits"),
    11: (
        "test_interrupt.py::test_the_hosts_own_ctrl_c_has_no_part_in_it",
        "test_interrupt.py::test_ctrl_c_during_a_cell_belongs_to_the_hosts_own_handler",
        "test_interrupt.py::test_children_started_by_a_cell_do_not_inherit_an_ignored_ctrl_c",
        "test_residue.py::test_signal_actions_stay_at_every_level",
    ),
    14: ("test_interrupt.py::test_whatever_awaits",),
    15: (
        "test_pump.py::test_timers_are_due_without_any_other_event",
        "test_interrupt.py::test_a_signal_cuts_the_hosts_sleep_short",
    ),
    16: ("test_pump.py::test_an_idle_pump_asks_for_nothing",),
    17: ("test_pump.py::test_a_tick_within_a_tick_returns_at_once",),
    18: ("test_pump.py::test_nothing_that_a_callback_raises_reaches_the_host",),
    20: (
        "test_endings.py::test_stop_in_a_cell_is_done_when_it_has_been_answered",
        "test_endings.py::test_stop_in_a_cell_that_awaits",
        "test_endings.py::test_stop_in_a_hook_of_a_cell",
        "test_endings.py::test_stop_in_a_callback_of_the_host",
        "test_pump.py::test_actions_run_after_the_slice_and_cannot_hurt",
    ),
    22: (
        "test_manager.py::test_a_port_that_is_taken",
        "test_manager.py::test_a_step_of_ipykernel_that_fails",
        "test_manager.py::test_an_adapter_that_fails",
    ),
    23: (
        "test_manager.py::test_two_hosts_at_once",
        "test_manager.py::test_a_dead_kernels_file_gives_neither_ports_nor_key",
    ),
    25: ("test_manager.py::test_is_running_is_asked_afresh",),
    28: ("test_pump.py::test_sockets_are_watched_where_the_selector_has_no_descriptor",),
    29: ("test_manager.py::test_arguments_of_the_host_are_its_own",),
    34: ("test_residue.py::test_streams_of_any_kind_are_given_back",),
    35: (
        "test_residue.py::test_a_host_that_has_never_heard_of_kernels",
        "test_residue.py::test_cycles_leave_nothing_behind",
    ),
    36: ("test_debugger.py::test_attach_while_a_cell_sleeps",),
    39: (
        "test_output.py::test_threads_that_a_cell_started_are_the_cells",
        "test_output.py::test_output_of_a_thread_names_the_cell_that_started_it",
    ),
    40: ("test_manager.py::test_what_a_manager_says_while_it_runs",),
    42: (
        "test_pump.py::test_a_host_that_runs_asyncio_by_now_is_pumped_all_the_same",
        "test_modes.py::test_ten_times_in_an_asyncio_program",
    ),
}
# In real hosts: those of hostkernel, and programs of each Qt binding.
_HOSTS = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 34, 35), ("test_residue.py::test_cycles",)),
    **dict.fromkeys((7, 8), ("test_unharmed.py::test_a_clients_shutdown",)),
    9: ("test_unharmed.py::test_exit", "test_unharmed.py::test_endings_raised_in_a_cell"),
    10: ("test_unharmed.py::test_a_cell_that_blocks_is_interrupted",),
    11: (
        "test_unharmed.py::test_an_idle_host_is_not_interrupted",
        "test_unharmed.py::test_children_have_ctrl_c_as_ever",
    ),
    14: ("test_unharmed.py::test_a_cell_that_awaits_is_interrupted",),
    16: (
        "test_qt_loop.py::test_nobody_calls_and_there_is_no_tick",
        "test_blender.py::test_the_loop_rests_when_nobody_calls",
    ),
    17: (
        "test_qt.py::test_a_dialog_may_run_its_own_loop_inside_a_cell",
        "test_qt.py::test_cells_run_while_the_program_shows_a_modal_dialog",
        "test_qt_loop.py::test_a_nested_loop_is_woken_as_well",
        "test_unharmed.py::test_a_cell_that_runs_the_hosts_loop",
    ),
    18: (
        "test_blender.py::test_a_loop_outlives_failures_and_file_loads",
        "test_unharmed.py::test_endings_raised_in_callbacks_and_tasks",
    ),
    19: (
        "test_blender.py::test_the_kernel_survives_file_loads",
        "test_blender.py::test_a_loop_outlives_failures_and_file_loads",
        "test_blender_window.py::test_operators_find_a_view_after_file_loads",
    ),
    20: ("test_everything.py::test_at_last_a_cell_stops_the_kernel",),
    21: ("test_blender_extension.py::test_the_extension_works_from_the_zip_alone",),
    31: ("test_other_python.py::test_packages_are_built_once_for_the_hosts_python",),
    36: ("test_everything.py::test_the_visual_debugger_attaches_while_a_cell_sleeps",),
    37: (
        "test_blender_undo.py::test_a_dead_name_says_what_happened",
        "test_blender_undo.py::test_what_would_read_freed_memory_is_dropped",
    ),
    39: ("test_unharmed.py::test_output_finds_its_way",),
    40: ("test_unharmed.py::test_the_key_is_told_to_nobody",),
    42: ("test_qt_asyncio.py::test_kernels_in_a_program_on_qasync",),
}
_REST = {
    12: (
        "tests/jupyter/test_attach.py::test_interrupt_restart_and_shut_down_leave_the_host",
        "tests/jupyter/test_launch.py::test_start_restart_and_shut_down",
    ),
    13: ("tests/pitfalls/test_pitfalls.py::test_p13_interrupt_without_signals_to_threads",),
    23: ("tests/hosts/test_three.py::test_they_are_listed_and_reached_each_by_its_name",),
    24: ("tests/jupyter/test_attach.py::test_the_second_notebook_is_told_that_it_shares",),
    26: ("tests/pitfalls/test_pitfalls.py::test_p26_a_kernel_comes_and_goes_quietly",),
    27: ("tests/pitfalls/test_pitfalls.py::test_p27_no_event_loop_is_the_current_one",),
    30: (
        "tests/kernel/test_interpreter.py::test_children_are_started_with_it",
        "tests/hosts/test_children.py::test_child_interpreters",
    ),
    31: (
        "tests/launch/test_bootstrap.py::test_another_minor_version_is_told",
        "tests/doctor/test_doctor.py::test_a_package_of_another_version",
    ),
    32: (
        "tests/kernel/test_stdin.py::test_refused",
        "tests/kernel/test_stdin.py::test_interrupted",
    ),
    38: ("tests/pitfalls/test_pitfalls.py::test_p38_tasks_that_are_pending_at_the_end",),
    40: (
        "tests/test_connection.py::test_secrets_are_masked",
        "tests/pitfalls/test_pitfalls.py::test_p40_no_key_in_the_log",
    ),
    41: (
        "tests/pitfalls/test_pitfalls.py::test_p41_an_interrupt_passes_the_launcher_by",
        "tests/cli/test_terminal.py::test_ctrl_c_in_the_terminal_reaches_run_alone",
    ),
}


def _all() -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for folder, held in (("tests/kernel/", _KERNEL), ("tests/hosts/", _HOSTS), ("", _REST)):
        for number, names in held.items():
            found[number] = (*found.get(number, ()), *(folder + name for name in names))
    return found


HELD = _all()
"""The tests that hold each pitfall."""

NOT_HERE = {
    33: "macOS alone naps, and there is none here: an adapter's loop may hold an activity token "
    "between HostLoop.start() and stop()",
}
"""Why a pitfall has no test."""
