"""What a sparse, noisy profile costs: plans made from it, executed on the truth, against plans made from the truth.

Each plan is executed on the true tables, and compared at the time that it really takes with the plan that knows the
truth and may take as long: equal realised time, so that being late is no saving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.records import Profile


@dataclass(frozen=True, eq=False)
class Regret:
    """Of every plan up to T*.

    Attributes:
        time_s: What it really takes [s].
        energy_frac: How much more it really draws than the best plan for that time, as a fraction.
        late_frac: How much longer it takes than its own profile said, as a fraction.
        fastest_frac: How much longer the fastest plan takes than the fastest there is, as a fraction.
    """

    time_s: NDArray[np.float64]
    energy_frac: NDArray[np.float64]
    late_frac: NDArray[np.float64]
    fastest_frac: float


def profile_regret(truth: PipelineProblem, profile: Profile, plans: int = 40) -> Regret:
    """Regret of planning from a profile.

    Args:
        truth: The true problem; its tables have every clock of the profile.
        profile: What was profiled.
        plans: How many plans to make.
    """
    believed = plan_frontier(pipeline_problem(profile, truth.schedule), plans=plans).alone()
    settings = [point.setting for point in believed]
    rows = [
        [truth.tables[kind].row_of(one) for kind, one in zip(truth.kind.tolist(), each, strict=True)]
        for each in settings
        if isinstance(each, tuple)
    ]
    time_s, energy_j = realise(truth, np.array(rows, dtype=np.int16))
    least_s = float(realise(truth, truth.fastest[None])[0][0])
    best = plan_frontier(truth, deadlines_s=np.maximum(time_s, least_s).tolist())
    best_j = np.array([best.at_deadline(max(seconds, least_s)).energy_j for seconds in time_s.tolist()])
    late_frac = time_s / believed.time_s - 1
    return Regret(time_s, energy_j / best_j - 1, late_frac, float(time_s[0]) / least_s - 1)
