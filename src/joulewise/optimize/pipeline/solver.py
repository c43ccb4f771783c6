"""The seam between planning and the mathematics below it: what every solver answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.bound import Bound
from joulewise.optimize.pipeline.problem import PipelineProblem

Progress = Callable[[float], None]
"""Called now and then with the fraction of the work that is done; may raise to stop it."""


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
        self, problem: PipelineProblem, deadlines_s: Sequence[float], thorough: bool, progress: Progress | None
    ) -> Solution:
        """Bound and a plan for each deadline, none of which is below the least possible time."""
