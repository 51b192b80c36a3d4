"""A host that runs for one job only."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .failures import say
from .panel import Spinner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostkernel.launch.starter import Started
    from hostkernel.registry import RunningKernel

__all__ = ["started"]

_PATIENCE = 20.0  # seconds that a host may take to end in good order


@contextmanager
def started(host: str, overrides: Sequence[str], args: tuple[str, ...]) -> Iterator[RunningKernel]:
    """Start a host for a job, and end the host with the job, even if the job fails.

    The host's output outside cells goes to a log, which is kept if the job fails and the host
    printed anything.

    Args:
        host: the host's name.
        overrides: what ``--set`` says.
        args: the host's own arguments.

    Raises:
        HostkernelError: the host did not start.
    """
    from hostkernel.launch.orders import Orders
    from hostkernel.launch.prepare import prepare
    from hostkernel.launch.signals import Signals
    from hostkernel.launch.starter import start_with_its_python
    from hostkernel.registry import find

    prepared = prepare(host, overrides)
    launch, owns_process = prepared.launch(args, detach=True)
    orders = Orders(
        host=prepared.host.name,
        settings=prepared.dump(),
        kernel_id=str(uuid.uuid4()),
        args=args,
        owns_process=owns_process,
    )
    log = prepared.log_file(orders.kernel_id)
    with Signals() as signals, Spinner(f"starting {host}") as spinner:
        there = start_with_its_python(
            prepared,
            launch,
            orders,
            signals,
            log=log,
            on_step=spinner.step,
            around_output=spinner.hidden,
        )
    try:
        yield find(str(there.connection_file))
    except BaseException:
        _end(there)
        if log.stat().st_size:
            say(f"the host's own output is in {log}")
        else:
            log.unlink()
        raise
    _end(there)
    log.unlink(missing_ok=True)


def _end(there: Started) -> None:
    from hostkernel.errors import HostkernelError
    from hostkernel.launch.child import wait_until
    from hostkernel.launch.control import ask

    def ended() -> bool:
        return there.child.status is not None and not (there.process and there.process.is_alive)

    with suppress(HostkernelError):  # The host has ended already, or does not answer.
        ask(there.info, "stop", exit_host=True)
    if not wait_until(ended, _PATIENCE):
        there.child.end(there.process)
