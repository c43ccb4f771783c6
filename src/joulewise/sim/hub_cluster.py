"""Replicas of a pipeline on a virtual clock, each rank with the runtime's own link to a real hub.

Theory of operation. What takes time is simulated: every replica is a `PipelineWorld` with jitter and switch latency,
and an iteration ends when the slowest replica is done, as in `joulewise.sim.cluster`. What decides is what decides in
production: each rank has a `HubLink`, which describes the job, uploads its profile, beats once per iteration and
fetches plans; a `PlanFollower` says the clock of each computation; and the hub, with its database, plans, finds
stragglers in the times of beats and hears notices. Links are asked once per iteration instead of by a thread of their
own, and nothing sleeps. A rank of eight GPUs in lock step is one process, so 128 replicas of 8 ranks are 8,192 GPUs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.clock import VirtualClock
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, Execution, SwitchCost
from joulewise.records import Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation, Iteration
from joulewise.runtime.pipeline.hub_link import HubLink
from joulewise.runtime.pipeline.plan_follower import PlanFollower
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.sim.cluster import ClusterIteration, Disturbance
from joulewise.sim.pipeline_port import NearPipelineHub
from joulewise.sim.pipeline_world import PipelineWorld, WorldNoise
from joulewise.wire.pipeline_hub import PipelineJob, StragglerNotice

JOB = "cluster"


@dataclass
class HubRank:
    """One rank of a replica, as its link sees it: what ran, and the plan that it was told to follow."""

    stages: frozenset[int]
    iterations: deque[Iteration] = field(default_factory=lambda: deque(maxlen=8))
    follower: PlanFollower | None = None

    def follow(self, plan: Mapping[str, Any]) -> None:
        """Run by a plan from the next iteration on."""
        self.follower = PlanFollower(plan, self.stages)


class HubCluster:
    """Replicas under a hub.

    Args:
        problem: One replica, with one GPU for each rank.
        replicas: How many.
        where: Path of the hub's database.
        gpus: GPUs of a rank, in lock step.
        noise: How computations scatter.
        switch: What a change of clock costs.
        plans: Plans of the frontier that the hub keeps ready.
        paid: Whether plans are made to pay for the switch latency.
        seed: Of all chance; replicas differ.

    Attributes:
        hub: The hub and its port.
        clock: Time.
    """

    def __init__(
        self,
        problem: PipelineProblem,
        replicas: int,
        where: str,
        *,
        gpus: int = 1,
        noise: WorldNoise | None = None,
        switch: SwitchCost = FREE,
        plans: int = 100,
        paid: bool = False,
        seed: int = 0,
    ) -> None:
        """Describe the job, upload what is known of it, have it planned, and hand out the first plan."""
        self.clock = VirtualClock()
        self.hub = NearPipelineHub(where, self.clock)
        self.problem, self._one, self._gpus = problem.with_gpus(gpus), problem, gpus
        ranks = problem.schedule.ranks
        job = PipelineJob(replicas, ranks, plans=plans, switch_latency_s=switch.latency_s if paid else 0.0)
        noise = noise or WorldNoise()
        self._worlds = [PipelineWorld(self.problem, noise, switch, seed * replicas + r) for r in range(replicas)]
        portraits = [self._portrait(rank) for rank in range(ranks)]
        self._operations = [Computation(o.stage, o.instruction, o.microbatch) for o in problem.schedule.operations]
        self.ranks = [[HubRank(frozenset(c.stage for c in p.order)) for p in portraits] for _ in range(replicas)]
        self.links = [
            [HubLink(self.hub, JOB, job, replica=replica, rank=rank, clock=self.clock) for rank in range(ranks)]
            for replica in range(replicas)
        ]
        for members, links in zip(self.ranks, self.links, strict=True):
            for member, link in zip(members, links, strict=True):
                link.attend(member)
        self.links[0][0].submit(portraits, problem.schedule.name)
        self._talk()
        self.hub.plan()
        self._talk()
        self._number = 0
        self._choices: dict[tuple[str, ...], NDArray[np.int16]] = {}

    def close(self) -> None:
        """Close the hub."""
        self.hub.close()

    def run(self, iterations: int, disturbances: Sequence[Disturbance] = ()) -> list[ClusterIteration]:
        """Run iterations; disturbances count from the first of them."""
        first = self._number
        found = []
        for number in range(first, first + iterations):
            due = [one for one in disturbances if one.iteration + first == number]
            found.append(self._iterate(due))
        return found

    def _iterate(self, disturbances: Sequence[Disturbance]) -> ClusterIteration:
        for one in disturbances:
            self._worlds[one.pipeline].slowdown = one.slowdown
            if one.is_told:
                self._tell(one)
        if any(one.is_told for one in disturbances):
            self._talk()
        held = {one.replica: one.factor for one in self.hub.hub.look(JOB)[0].state.stragglers}
        choices = [self._choice(replica) for replica in range(len(self._worlds))]
        runs = [world.execute(choice) for world, choice in zip(self._worlds, choices, strict=True)]
        own_s = tuple(run.time_s for run in runs)
        time_s = max(own_s)
        waiting_j = self.problem.total_wait_power_w * sum(time_s - own for own in own_s)
        energy_j = sum(run.total_energy_j for run in runs) + waiting_j
        for members, run in zip(self.ranks, runs, strict=True):
            self._record(members, run)
        self.clock.sleep(time_s)
        self._number += 1
        self._talk()
        self.hub.hub.tick()
        return ClusterIteration(self._number - 1, time_s, energy_j, own_s, (), held)

    def _tell(self, one: Disturbance) -> None:
        name = f"replica-{one.pipeline}"
        if one.slowdown > 1:
            self.hub.hub.hear_notice(JOB, name, StragglerNotice(one.pipeline, factor=one.slowdown))
        else:
            self.hub.hub.take_back(JOB, name)

    def _talk(self) -> None:
        for links in self.links:
            for link in links:
                link.exchange()

    def _choice(self, replica: int) -> NDArray[np.int16]:
        """What the ranks of a replica run, each by its own follower."""
        plans = tuple(link.plan for link in self.links[replica])
        if plans not in self._choices:
            problem, choice = self.problem, self.problem.top_clocks.copy()
            for member in self.ranks[replica]:
                for index, computation in enumerate(self._operations):
                    if computation.stage in member.stages and member.follower is not None:
                        clock_mhz = member.follower.clock_mhz(computation, None)
                        if clock_mhz is not None:
                            choice[index] = problem.tables[problem.kind[index]].row_of(clock_mhz)
            self._choices[plans] = choice
        return self._choices[plans]

    def _record(self, members: Sequence[HubRank], run: Execution) -> None:
        begin_ns = self.clock.now_ns()
        end_ns = begin_ns + round(run.time_s * 1e9)
        for member, order, power_w in zip(
            members, self.problem.schedule.orders, self.problem.wait_power_w.tolist(), strict=True
        ):
            mine = list(order)
            energy_j = float(run.energy_j[mine].sum())
            energy_j += power_w * max(0.0, run.time_s - float(run.duration_s[mine].sum()))
            planned = member.follower is not None
            one = Iteration(self._number, begin_ns, end_ns, (), energy_j, Provenance.SIMULATED, planned)
            member.iterations.append(one)

    def _portrait(self, rank: int) -> Portrait:
        """What profiling would find out about a rank, if it were exact."""
        problem = self._one
        order = problem.schedule.orders[rank]
        operations = [problem.schedule.operations[index] for index in order]
        tables = {
            (one.stage, one.instruction): problem.tables[problem.kind[index]]
            for index, one in zip(order, operations, strict=True)
        }
        readings = tuple(
            Reading(*key, setting if isinstance(setting, int) else None, float(time_s), float(energy_j))
            for key, table in tables.items()
            for setting, time_s, energy_j in zip(table.settings, table.time_s, table.energy_j, strict=True)
        )
        clocks = {one.clock_mhz for one in readings if one.clock_mhz is not None}
        return Portrait(
            tuple(Computation(one.stage, one.instruction, one.microbatch) for one in operations),
            readings,
            dict.fromkeys(sorted(clocks), float(problem.wait_power_w[rank])),
            self._gpus,
            Provenance.SIMULATED,
        )
