"""``hostkernel run``: start a host with its kernel, and stay until it ends."""

from __future__ import annotations

import os
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostkernel.cli import gc_pause
from hostkernel.cli.completion import complete_host
from hostkernel.cli.failures import FAILED, say
from hostkernel.errors import HostkernelError, LaunchError

from .relay import launcher, relayed, to_relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostkernel.host import Launch
    from hostkernel.launch.orders import Orders
    from hostkernel.launch.prepare import Prepared
    from hostkernel.launch.signals import Signals
    from hostkernel.launch.starter import Started

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    context: typer.Context,
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST ARGS", help="For the host, such as a script or a file."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The host to start.", autocompletion=complete_host),
    ] = None,
    connection_file: Annotated[
        Path | None,
        typer.Option("-f", metavar="FILE", help="Connection file to use, as launchers pass it."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once the kernel is up; print its id.")
    ] = False,
    attach: Annotated[
        bool, typer.Option("--attach", help="If one is open, relay to it.", hidden=True)
    ] = False,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this settings file.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
) -> None:
    """Start a host with its kernel, and stay until it ends.

    Without --host the settings say which; plain Python if they do not.
    Ctrl-C ends kernel and host in order, a second one at once.
    """
    action = partial(
        _run,
        tuple(args or ()),
        host=host,
        connection_file=connection_file,
        detach=detach,
        attach=attach,
        config=config,
        overrides=overrides or (),
    )
    context.obj.append(action)


def _run(
    args: tuple[str, ...],
    *,
    host: str | None,
    connection_file: Path | None,
    detach: bool,
    attach: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    from hostkernel.connection import kernel_id_of
    from hostkernel.launch.orders import Orders
    from hostkernel.launch.prepare import prepare, usable_connection_file

    file = usable_connection_file(connection_file)
    prepared = prepare(host, overrides, config)
    # A provisioner has seen to it itself.
    if attach and file and not detach:
        there = to_relay(file, "if-open", prepared.host.name)
        if there is not None:
            return relayed(there, file)
    launch, owns_process = prepared.launch(args, detach=detach)
    orders = Orders(
        host=prepared.host.name,
        settings="" if launch.in_process else prepared.dump(),
        kernel_id=kernel_id_of(file) if file else str(uuid.uuid4()),
        args=args,
        connection_file=file,
        owns_process=owns_process,
        parent=launcher() if file else None,
        windowed=launch.windowed,
    )
    if launch.in_process:
        return _become(prepared, launch, orders)
    if detach:
        return _detach(prepared, launch, orders)
    return _stay_with(prepared, launch, orders)


def _become(prepared: Prepared, launch: Launch, orders: Orders) -> int:
    """Be the host, in this very process."""
    from hostkernel.cli.panel import show_panel
    from hostkernel.launch import bootstrap

    class Here(bootstrap.Report):
        def step(self, name: str) -> None:
            super().step(name)
            if name == bootstrap.RUNNING:
                gc_pause.end()

        def ready(self, kernel_id: str, connection_file: str) -> None:
            super().ready(kernel_id, connection_file)
            show_panel(orders.host, os.getpid(), kernel_id, Path(connection_file), console)

    console = sys.stderr  # In a moment that will be the kernel's.
    report = Here()
    os.environ.update(launch.env)
    try:
        return bootstrap.bring_up(prepared.host, prepared.loaded, orders.content(), report)
    except HostkernelError:
        raise
    except BaseException as error:
        if report.is_ready:
            raise
        trouble = bootstrap.describe(error)
        raise LaunchError(
            orders.host,
            trouble.reason,
            step=report.current,
            traceback=trouble.traceback,
            hint=trouble.hint,
        ) from error


def _detach(prepared: Prepared, launch: Launch, orders: Orders) -> int:
    """Start the host, leave it alone, and print the kernel's id."""
    from hostkernel.launch.signals import Signals

    log = prepared.log_file(orders.kernel_id)
    with Signals() as signals:
        started = _start(prepared, launch, orders, signals, log)
    say(f"output goes to {log}")
    print(started.kernel_id)
    return 0


def _stay_with(prepared: Prepared, launch: Launch, orders: Orders) -> int:
    """Start the host and follow it to its end."""
    from hostkernel.launch.follow import follow
    from hostkernel.launch.signals import Signals

    with Signals() as signals:
        started = _start(prepared, launch, orders, signals)
        gc_pause.end()
        ended = follow(started, launch, signals, say)
    if ended.reason is None:
        return 0
    say(f"hostkernel: {orders.host}: {ended.reason}")
    for line in ended.output:
        say(f"  | {line}")
    return FAILED


def _start(
    prepared: Prepared, launch: Launch, orders: Orders, signals: Signals, log: Path | None = None
) -> Started:
    from hostkernel.cli.panel import Spinner, show_panel
    from hostkernel.launch.answer import why_no_answer
    from hostkernel.launch.starter import start_with_its_python

    with Spinner(f"starting {orders.host}") as spinner:
        started = start_with_its_python(
            prepared,
            launch,
            orders,
            signals,
            log=log,
            on_step=spinner.step,
            around_output=spinner.hidden,
        )
        spinner.step("waiting for its first answer")
        trouble = why_no_answer(started, signals)
    pid = started.process.pid if started.process else started.child.pid
    show_panel(orders.host, pid, started.kernel_id, started.connection_file)
    if trouble is not None:
        say(f"hostkernel: {orders.host}: {trouble}")
    return started
