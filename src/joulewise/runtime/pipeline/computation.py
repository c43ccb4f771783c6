"""What a rank of a pipeline does, computation by computation, as facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from joulewise.records import Instruction, Provenance

Operation = tuple[int, Instruction]
"""A stage and what it does: what costs the same for every microbatch."""
Act = Callable[[], object]


class Computation(NamedTuple):
    """One forward, backward or weight-backward pass of one microbatch through one stage."""

    stage: int
    instruction: Instruction
    microbatch: int

    @property
    def operation(self) -> Operation:
        """What it is, whichever the microbatch."""
        return self.stage, self.instruction


@dataclass(frozen=True, slots=True)
class Ran:
    """A computation that ran.

    Attributes:
        computation: Which.
        clock_mhz: The core clock that was asked for [MHz]; None: as found.
        begin_ns, end_ns: When [ns], on the clock of whoever timed it.
    """

    computation: Computation
    clock_mhz: int | None
    begin_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        """How long it took [s]."""
        return (self.end_ns - self.begin_ns) * 1e-9


@dataclass(frozen=True)
class Iteration:
    """One training iteration of one rank.

    Attributes:
        number: Counted from 0.
        begin_ns, end_ns: When it began and ended [ns].
        ran: Its computations in the order in which they ran.
        energy_j: What the rank's devices used from begin to end [J], by their counters; None if they have none.
        provenance: What time and energy are worth.
        planned: Whether a plan was followed, from the first computation to the last.
    """

    number: int
    begin_ns: int
    end_ns: int
    ran: Sequence[Ran]
    energy_j: float | None
    provenance: Provenance
    planned: bool

    @property
    def time_s(self) -> float:
        """How long it took [s]."""
        return (self.end_ns - self.begin_ns) * 1e-9
