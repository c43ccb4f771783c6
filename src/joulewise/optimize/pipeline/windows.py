"""Windows of operations within a deadline, and plans refitted into them, many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.rank_paths import RankPaths
from joulewise.optimize.pipeline.replay import ends_of, switched_many
from joulewise.optimize.pipeline.switch_cost import SwitchCost, latencies_by_setting

Floats = NDArray[np.float64]
Choices = NDArray[np.int16]
ROUNDED_FRAC, TINY_S = 1e-12, 1e-300


class Windows:
    """Refits plans of one problem.

    Args:
        problem: The problem.
        switch: What a change of setting costs.
    """

    def __init__(self, problem: PipelineProblem, switch: SwitchCost) -> None:
        """Lay out paths, and choose the latencies that windows reckon with: the mean, and up to the quantile."""
        self.problem, self.paths = problem, RankPaths(problem, switch)
        self._latency_s = latencies_by_setting(switch, problem.all_settings)[problem.setting_codes]
        sure = float(switch.kept_s(switch.factors(1))[0])
        self._scales = (1.0, 1 + (sure - 1) / 3, max(1.0, sure)) if switch.jitter_frac else (1.0,)

    def stretched(self, choices: Choices, deadline_s: Floats) -> Choices:
        """Plans, executed without switches and stretched to a deadline, refitted. Shapes: as `refitted`."""
        lasting_s = self.problem.times_s(choices).T
        ends_s = ends_of(self.problem, lasting_s)
        ready_s = (ends_s - lasting_s) * (deadline_s / np.maximum(ends_s.max(axis=0), TINY_S))
        made = [self._fitted(ready_s, choices, deadline_s, scale) for scale in self._scales]
        return np.concatenate(made)

    def refitted(self, choices: Choices, deadline_s: Floats, *, late: bool) -> Choices:
        """Plans, executed as early or as late as they can be for a deadline, refitted.

        Shapes:
            choices: (n_plans, n_operations). deadline_s: (n_plans,). result: more of them, (n_refitted, n_operations).
        """
        kind, part = self.problem.kind[:, None], choices.T
        changes = switched_many(self.problem, part)
        duration_s = self.problem.times_s(choices).T
        made = []
        for scale in self._scales:
            lasting_s = duration_s + scale * np.where(changes, self._latency_s[kind, part], 0.0)
            ready_s = self._latest(lasting_s, deadline_s) if late else ends_of(self.problem, lasting_s) - lasting_s
            made.append(self._fitted(ready_s, choices, deadline_s, scale))
        return np.concatenate(made)

    def _fitted(self, ready_s: Floats, choices: Choices, deadline_s: Floats, scale: float) -> Choices:
        room_s = self._rooms(ready_s, deadline_s)
        homes = self.paths.ends(choices)
        scales = np.full(len(choices), scale)
        return np.concatenate([self.paths.within(room_s, choices, home, scales) for home in homes])

    def _rooms(self, ready_s: Floats, deadline_s: Floats) -> Floats:
        """Room of every operation between being ready and being needed [s], and a rounding error more."""
        needed_s = np.tile(deadline_s, (len(ready_s), 1))
        for index, before_all in enumerate(self.problem.predecessors):
            for before in before_all:
                np.minimum(needed_s[before], ready_s[index], out=needed_s[before])
        return np.asarray(needed_s - ready_s + ROUNDED_FRAC * deadline_s)

    def _latest(self, lasting_s: Floats, deadline_s: Floats) -> Floats:
        """The latest time at which every operation may be ready for the deadline to hold [s]."""
        ready_s = np.tile(deadline_s, (len(lasting_s), 1))
        for index in range(len(ready_s) - 1, -1, -1):
            ready_s[index] -= lasting_s[index]
            for before in self.problem.predecessors[index]:
                np.minimum(ready_s[before], ready_s[index], out=ready_s[before])
        return ready_s
