"""The seam between planning and the mathematics below it: what every solver answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.bound import Bound
from joulewise.optimize.pipeline.problem import PipelineProblem

Progress = Callable[[float], None]
"""Called now and then with the fraction of the work that is done; may raise to stop it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to work on each plan. The exact solver obeys all of it, the slow path nothing.

    Attributes:
        dives: One dive for each; the value weighs how far an operation is moved against what it costs there.
        visits: Operations that local search may look at.
        gap_frac: Stop once a plan, waiting for its deadline, is known to be within this fraction of the best there is.
        seconds: Stop after this time [s]; unlike the others this makes plans depend on the machine.
    """

    dives: tuple[float, ...] = (0.03, 0.3, 1.0)
    visits: int = 20_000_000
    gap_frac: float = 0.0
    seconds: float = math.inf

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("visits", "gap_frac", "seconds"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"the {name} of an effort is not usable", repr(getattr(self, name)), "give 0 or more")


THOROUGH = Effort()
QUICK = Effort(dives=(), visits=0)


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found.

    Attributes:
        bound: Lower bound on the energy of every plan, over the time until which energy counts.
        choices: One plan per deadline: for each operation a row of its table.
        solver: Name of the solver.

    Shapes:
        choices: (n_deadlines, n_operations).
    """

    bound: Bound
    choices: NDArray[np.int16]
    solver: str


class Solver(Protocol):
    """Solves the relaxation and rounds it to settings."""

    name: str

    def solve(
        self, problem: PipelineProblem, deadlines_s: Sequence[float], effort: Effort, progress: Progress | None
    ) -> Solution:
        """Bound and a plan for each deadline, none of which is below the least possible time."""
