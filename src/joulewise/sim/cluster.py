"""Replicas of a pipeline that synchronise once an iteration, with stragglers among them, on a virtual clock.

Theory of operation. Every replica is a `PipelineWorld` with jitter and switch latency of its own. An iteration ends
when the slowest replica is done; until then the others wait, and waiting draws power. A straggler takes so many times
as long for everything, at the same power, as in the large-scale emulation of Perseus. Who decides is the governor that
a real job has, and it is told what a real job can tell: notices, and every replica's own time. Without a governor
everything runs at the highest clocks. Thousands of GPUs are tens of replicas times the ranks and the GPUs of a rank in
lock step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from joulewise.clock import VirtualClock
from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.optimize.pipeline.plan import choice_of
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost
from joulewise.optimize.straggling.governor import StragglerGovernor
from joulewise.optimize.straggling.notice import Notice
from joulewise.sim.pipeline_world import PipelineWorld, WorldNoise


@dataclass(frozen=True, slots=True)
class Disturbance:
    """From an iteration on, a replica takes so many times as long.

    Attributes:
        iteration: Counted from 0.
        pipeline: Which replica.
        slowdown: 1 ends it.
        is_told: Whether a scheduler says so before the iteration; else it must be found out.
    """

    iteration: int
    pipeline: int
    slowdown: float
    is_told: bool = True


@dataclass(frozen=True)
class ClusterIteration:
    """One iteration of all replicas.

    Attributes:
        number: Counted from 0.
        time_s: Until the slowest replica was done [s].
        energy_j: Of all replicas, waiting included [J].
        own_s: Time of each replica without its waiting for others [s].
        deadlines_s: What each was ordered [s]; empty without a governor.
        stragglers: Whom the governor held for slow, and how slow, before the iteration.
    """

    number: int
    time_s: float
    energy_j: float
    own_s: tuple[float, ...]
    deadlines_s: tuple[float, ...] = ()
    stragglers: dict[int, float] = field(default_factory=dict)


class Cluster:
    """Replicas and whoever governs them.

    Args:
        problem: One replica; see `PipelineProblem.with_gpus` for ranks of several GPUs.
        pipelines: Number of replicas.
        governor: Who says what they run; its pipelines are 0 to ``pipelines`` - 1. None: the highest clocks.
        noise: How computations scatter.
        switch: What a change of clock costs.
        seed: Of all chance; replicas differ.
    """

    def __init__(
        self,
        problem: PipelineProblem,
        pipelines: int,
        governor: StragglerGovernor | None = None,
        *,
        noise: WorldNoise | None = None,
        switch: SwitchCost = FREE,
        seed: int = 0,
    ) -> None:
        """Build the replicas."""
        if pipelines < 1 or (governor is not None and set(governor.pipelines) != set(range(pipelines))):
            seen = f"{pipelines} replicas, {len(governor.pipelines) if governor else 0} governed"
            raise UsageError("a cluster does not fit its governor", seen, "govern each replica, numbered from 0")
        self.problem, self.governor, self.clock = problem, governor, VirtualClock()
        noise = noise or WorldNoise()
        self._worlds = [PipelineWorld(problem, noise, switch, seed * pipelines + p) for p in range(pipelines)]
        self._choices: dict[float, NDArray[np.int16]] = {}
        self._number = 0

    def run(self, iterations: int, disturbances: Sequence[Disturbance] = ()) -> list[ClusterIteration]:
        """Run iterations; disturbances count from the first of them."""
        first = self._number
        due = [replace(one, iteration=one.iteration + first) for one in disturbances]
        return [self._iterate([one for one in due if one.iteration == self._number]) for _ in range(iterations)]

    def _iterate(self, disturbances: Sequence[Disturbance]) -> ClusterIteration:
        governor = self.governor
        for one in disturbances:
            self._worlds[one.pipeline].slowdown = one.slowdown
            if one.is_told and governor is not None:
                governor.notify(Notice(one.pipeline, slowdown=one.slowdown))
        orders = governor.ask() if governor is not None else {}
        runs = [
            world.execute(self._choice(orders[p].point) if orders else self.problem.top_clocks)
            for p, world in enumerate(self._worlds)
        ]
        own_s = tuple(run.time_s for run in runs)
        time_s = max(own_s)
        waiting_j = self.problem.total_wait_power_w * sum(time_s - own for own in own_s)
        energy_j = sum(run.total_energy_j for run in runs) + waiting_j
        deadlines_s = tuple(orders[p].deadline_s for p in sorted(orders))
        held = governor.stragglers() if governor is not None else {}
        done = ClusterIteration(self._number, time_s, energy_j, own_s, deadlines_s, held)
        if governor is not None:
            governor.tell(dict(enumerate(own_s)))
        self.clock.sleep(time_s)
        self._number += 1
        return done

    def _choice(self, point: Point) -> NDArray[np.int16]:
        if point.time_s not in self._choices:  # times of a frontier are distinct
            self._choices[point.time_s] = choice_of(self.problem, point.setting)
        return self._choices[point.time_s]
