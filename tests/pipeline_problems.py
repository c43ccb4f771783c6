"""Small pipeline problems for laws, and the brute force that they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import make_schedule, read_graph
from joulewise.records import Instruction, Profile, Provenance, Reading

Floats = NDArray[np.float64]
_few = st.integers(0, 6).map(float)
_any = st.floats(0.001, 5.0)
_energies = st.one_of(st.integers(0, 12).map(lambda e: 10.0 * e), st.floats(0.0, 300.0).map(lambda e: round(e, 3)))


def problem_of(operations: Sequence[dict[str, Any]], wait_power_w: Sequence[float]) -> PipelineProblem:
    """The problem of a graph in its file form."""
    data = {"schema": "joulewise.dag/1", "wait_power_w": list(wait_power_w), "operations": list(operations)}
    return PipelineProblem.from_graph(read_graph(data))


def options(*pairs: tuple[float, float]) -> list[dict[str, Any]]:
    """Options in file form, the first at the highest setting."""
    return [
        {"time_s": time_s, "energy_j": energy_j, "setting": 100 * (len(pairs) - row)}
        for row, (time_s, energy_j) in enumerate(pairs)
    ]


@st.composite
def problems(draw: st.DrawFn, most_operations: int = 6, most_options: int = 4) -> PipelineProblem:
    """Any DAG of a few operations on ranks and links; half of the problems are full of ties."""
    count = draw(st.integers(1, most_operations))
    ranks = draw(st.integers(1, 3))
    times = draw(st.sampled_from([_few, _any]))
    pairs = st.lists(st.tuples(times, _energies), min_size=1, max_size=most_options)
    tables = draw(st.lists(pairs, min_size=1, max_size=count))
    operations = []
    for index in range(count):
        before = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        operations.append(
            {
                "name": str(index),
                "rank": draw(st.sampled_from([*range(ranks), None])),
                "options": options(*draw(st.sampled_from(tables))),
                "after": [str(earlier) for earlier in before],
            }
        )
    wait = draw(st.lists(st.sampled_from([0.0, 10.0, 55.5, 500.0]), min_size=ranks, max_size=ranks))
    return problem_of(operations, wait)


@dataclass(frozen=True)
class Everything:
    """Every plan of a problem: its rows, how long it takes, and its energy above waiting [J].

    Shapes:
        choices: (n_plans, n_operations).
    """

    choices: NDArray[np.int16]
    time_s: Floats
    effective_j: Floats

    @classmethod
    def of(cls, problem: PipelineProblem) -> Everything:
        """Enumerate; longest paths by following every edge, ranks' waiting counted from their busy times."""
        sizes = [len(problem.tables[kind]) for kind in problem.kind]
        choices = np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, sizes), indexing="ij")], axis=1)
        ends = np.zeros(choices.shape)
        effective_j = np.zeros(len(choices))
        for index, operation in enumerate(problem.schedule.operations):
            table = problem.tables[problem.kind[index]]
            time_s = table.time_s[choices[:, index]]
            begin = np.zeros(len(choices))
            for u, v in problem.schedule.edges.tolist():
                if v == index:
                    begin = np.maximum(begin, ends[:, u])
            ends[:, index] = begin + time_s
            power_w = 0.0 if operation.rank is None else problem.wait_power_w[operation.rank]
            effective_j += table.energy_j[choices[:, index]] - power_w * time_s
        return cls(choices.astype(np.int16), ends.max(axis=1), effective_j)


def smooth_problem(stages: int, microbatches: int) -> PipelineProblem:
    """Stages that all differ, with clocks that all lie on the hull."""
    readings = [
        Reading(stage, instruction, clock, work * (0.01 + 60.0 / clock), work * (4.0 + 2e-5 * clock**2))
        for stage in range(stages)
        for instruction, part in ((Instruction.FORWARD, 1.0), (Instruction.BACKWARD, 2.1))
        for clock in range(600, 1411, 30)
        for work in [part * (1 + 0.013 * stage)]
    ]
    profile = Profile(tuple(readings), Provenance.SIMULATED, "formula")
    return pipeline_problem(profile, make_schedule("1f1b", stages, microbatches), 60.0)


def midway_s(problem: PipelineProblem, share: float = 0.2) -> float:
    """A deadline between T_min and T_max [s]."""
    t_min, t_max = realise(problem, np.stack([problem.fastest, problem.cheapest]))[0]
    return float(t_min + share * (t_max - t_min))
