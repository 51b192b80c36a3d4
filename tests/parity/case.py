"""What a case of the parity suite is.

A case is a name and the cells that a user runs one after another. It runs on stock ipykernel, in
a process of its own, and in hosts of each mode; everything that a client receives has to be the
same. To add one, put this into the module of its topic in ``cases``::

    case("what it is about", "print(1)", "print(2)")

What a cell changes in its process (streams, hooks, environment, threads) is found out, and the
next case gets a new kernel. Nothing else is needed for a case that breaks its kernel.

No case waits for a time. Output that comes after its cell is waited for with ``late``, and
threads or tasks that print late wait for an event that the next cell sets.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

__all__ = ["MAIN_THREAD", "Case", "Cell", "Differs", "case", "cell"]

# For signals, and for interrupts of what blocks in C. Of each, one case runs everywhere and
# declares what is different in a thread.
MAIN_THREAD = ("pumped", "shared", "served", "qt")


@dataclass(frozen=True)
class Cell:
    """One execute request.

    Attributes:
        answers: what the user types at each ``input()``, in this order; then empty lines.
        interrupt: press Interrupt once the client has received this text.
        late: wait for this text after the cell, as long as it takes. Whether it comes before or
            after the cell's end is not compared.
        expressions: names and code of ``user_expressions``.
        silent: see the protocol.
        asks: whether the client can answer ``input()``.
        seconds: how long to wait for its end.
    """

    code: str
    answers: tuple[str, ...] = ()
    interrupt: str = ""
    late: str = ""
    expressions: tuple[tuple[str, str], ...] = ()
    silent: bool = False
    asks: bool = True
    seconds: float = 30.0


@dataclass(frozen=True)
class Differs:
    """A difference that is meant.

    Attributes:
        reason: why a user is better off with it, or why it cannot be otherwise.
        ours: how the lines begin that our kernels send and the stock kernel does not, all of
            them: output, names of errors, statuses.
        stock: what the stock kernel sends and ours do not. One of the two may be empty.
        targets: the targets that differ, each of them; empty for all.
    """

    reason: str
    ours: tuple[str, ...] = ()
    stock: str = ""
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """Cells that run one after another in one kernel.

    Attributes:
        differs: the difference to the stock kernel, if there is one.
        targets: where it runs, empty for everywhere.
    """

    name: str
    cells: tuple[Cell, ...]
    differs: Differs | None = None
    targets: tuple[str, ...] = ()

    def differs_in(self, target: str) -> bool:
        """Whether a difference is declared for this target."""
        return self.differs is not None and target in (self.differs.targets or (target,))


def cell(code: str, *answers: str, expressions: dict[str, str] | None = None, **how: Any) -> Cell:
    """Make a cell; its code may be indented as the code around it is."""
    text = textwrap.dedent(code).strip("\n")
    return Cell(text, answers, expressions=tuple((expressions or {}).items()), **how)


def case(
    name: str,
    *cells: str | Cell,
    differs: Differs | None = None,
    targets: tuple[str, ...] = (),
) -> Case:
    """Make a case of cells, or of the code of cells."""
    made = tuple(each if isinstance(each, Cell) else cell(each) for each in cells)
    return Case(name, made, differs, targets)
