"""Of plans equal in time and energy, a frontier keeps the one with the fewest switches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.highs import HighsSolver
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import count_switches
from joulewise.optimize.pipeline.schedules import read_graph
from joulewise.optimize.pipeline.solver import Effort, Progress, Solution


class Given:
    """A solver whose plans are given."""

    name = "given"

    def __init__(self, choices: list[list[int]]) -> None:
        self.choices = np.array(choices, dtype=np.int16)

    def solve(
        self, problem: PipelineProblem, deadlines_s: list[float], effort: Effort, progress: Progress | None
    ) -> Solution:
        return Solution(HighsSolver().solve(problem, [], effort, progress).bound, self.choices, self.name)


def chain() -> PipelineProblem:
    options = [{"time_s": 1.0, "energy_j": 9.0, "setting": 2}, {"time_s": 2.0, "energy_j": 4.0, "setting": 1}]
    operations = [{"name": f"f{i}", "rank": 0, "options": options} for i in range(4)]
    document = {"schema": "joulewise.dag/1", "wait_power_w": [1.0], "operations": operations}
    return PipelineProblem.from_graph(read_graph(document))


def test_fewest_switches_win_a_tie() -> None:
    problem = chain()
    tied = [[0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]]
    frontier = plan_frontier(problem, deadlines_s=[6.0] * 3, solver=Given(tied))
    assert len(frontier) == 1
    settings: NDArray[np.int16] = np.array([2 - int(s) for s in frontier[0].setting], dtype=np.int16)
    assert count_switches(problem, settings) == 2  # there and back
