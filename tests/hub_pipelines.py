"""Small pipeline jobs as their ranks would describe them to a hub."""

from __future__ import annotations

from collections import deque

import numpy as np

from joulewise.clock import VirtualClock
from joulewise.optimize.pipeline.replay import replay
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.pipelines.assembly import assemble
from joulewise.records import Instruction, Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation, Iteration
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.sim.pipeline_port import NearPipelineHub
from joulewise.wire.pipeline_hub import PipelineJob, PipelineProfile, RankProfile

CLOCKS_MHZ = (810, 960, 1110, 1260, 1410)
TOP_MHZ = CLOCKS_MHZ[-1]
WAIT_W = 80.0


def a_job(replicas: int = 4, ranks: int = 4, plans: int = 20) -> PipelineJob:
    return PipelineJob(replicas, ranks, plans=plans, name="a small transformer")


def a_profile(
    generation: int = 1, ranks: int = 4, microbatches: int = 6, schedule: str = "1f1b", scale: float = 1.0
) -> PipelineProfile:
    """Stages of unequal length, whose computations take 60 % of their time at the clock's pace."""
    made = make_schedule(schedule, ranks, microbatches)
    found = []
    for order in made.orders:
        steps = [made.operations[index] for index in order]
        readings = []
        for stage, instruction in dict.fromkeys((one.stage, one.instruction) for one in steps):
            top_s = 0.01 * scale * (1 + 0.2 * (stage % 3)) * (2 if str(instruction) == "backward" else 1)
            for clock_mhz in CLOCKS_MHZ:
                time_s = top_s * (0.4 + 0.6 * TOP_MHZ / clock_mhz)
                power_w = 100 + 250 * (clock_mhz / TOP_MHZ) ** 3
                readings.append((stage, str(instruction), clock_mhz, time_s, power_w * time_s))
        waits = [(clock_mhz, WAIT_W * (0.8 + 0.2 * clock_mhz / TOP_MHZ)) for clock_mhz in CLOCKS_MHZ]
        order_of_rank = [(one.stage, str(one.instruction), one.microbatch) for one in steps]
        found.append(RankProfile(tuple(order_of_rank), tuple(readings), tuple(waits), provenance="simulated"))
    return PipelineProfile(generation, schedule, tuple(found))


class NearHub(NearPipelineHub):
    """A hub in this process, on a real database; it can be away."""

    def __init__(self, where, clock=None):
        super().__init__(where, clock or VirtualClock())


class Replica:
    """A pipeline that trains in virtual time, by the plan that it was told: all ranks in one, as a link sees them."""

    def __init__(self, profile, slowdown=1.0):
        self.problem, self.slowdown = assemble(profile), slowdown
        self.iterations, self.followed = deque(maxlen=100), {}

    def step(self):
        """One iteration, as every rank saw it."""
        clocks = {
            (step["stage"], step["operation"], step["microbatch"]): step["clock_mhz"]
            for document in list(self.followed.values())
            for one in document["ranks"]
            for step in one["steps"]
        }
        operations = self.problem.schedule.operations
        rows = [
            self.problem.tables[kind].row_of(clocks.get((o.stage, str(o.instruction), o.microbatch), TOP_MHZ))
            for o, kind in zip(operations, self.problem.kind.tolist(), strict=True)
        ]
        run = replay(self.problem, np.array(rows, dtype=np.int16))
        self.time_s = run.time_s * self.slowdown
        planned, begin_ns = bool(clocks), 0
        energy_j = run.total_energy_j / self.problem.schedule.ranks
        end_ns = round(self.time_s * 1e9)
        self.iterations.append(
            Iteration(
                self.iterations[-1].number + 1 if self.iterations else 0,
                begin_ns,
                end_ns,
                (),
                energy_j,
                Provenance.SIMULATED,
                planned,
            )
        )


class Rank:
    """One process of a replica."""

    def __init__(self, replica, rank):
        self.replica, self.rank = replica, rank

    @property
    def iterations(self):
        return self.replica.iterations

    def follow(self, plan):
        self.replica.followed[self.rank] = plan


def portraits(profile):
    """A profile as a runtime hands it over."""
    return [
        Portrait(
            tuple(Computation(stage, Instruction(i), microbatch) for stage, i, microbatch in one.order),
            tuple(Reading(stage, Instruction(i), *rest) for stage, i, *rest in one.readings),
            dict(one.waits),
            one.gpus,
            Provenance(one.provenance),
        )
        for one in profile.ranks
    ]
