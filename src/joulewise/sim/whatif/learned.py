"""What sensors cost a planner: profile a pipeline with them, plan from what was learned, and run the plan on the truth.

Theory of operation. The truth is the workload's own table. `PipelineWorld` runs it on a virtual clock with counters of
the contract's period and step; the online profiler sweeps clocks on it and separates energies, and the planner plans
from the profile that comes out. Its plan is executed on the truth, where it may turn out a little late. Being late is
no saving: it is judged against the plan that knows the truth and may take as long, and what it draws more than that one
is what the sensors cost, at the deadline as well. What the sweep itself costs is told, but is not in the energy of an
iteration: it is paid once for each run.

Source: the comparison at equal realised time is that of `joulewise.optimize.profiling.regret`.

A sensor that sees only part of the time is a counter that rises, each period, by the mean power of the period's last
part; the rest of the period it is blind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, realise
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.sim.pipeline_world import PipelineWorld, WorldNoise
from joulewise.sim.whatif.contract import Contract
from joulewise.sim.whatif.plan import Choice, Realised, best, realised

POLLS_PER_TICK = 10


@dataclass(frozen=True, eq=False)
class Learned:
    """What a profiler made of a pipeline.

    Attributes:
        problem: As it is believed to be.
        extra_j, extra_s: What the sweep drew and took beyond running at the highest clocks [J], [s].
    """

    problem: PipelineProblem
    extra_j: float
    extra_s: float


def noise_of(contract: Contract) -> WorldNoise:
    """How readings scatter under a contract's sensors."""
    usual = WorldNoise()
    return replace(
        usual,
        counter_period_s=contract.counter_period_s,
        counter_step_j=contract.counter_step_j,
        duty_frac=contract.sensor_duty_frac,
        poll_s=min(usual.poll_s, contract.counter_period_s / POLLS_PER_TICK),
    )


@lru_cache(maxsize=64)
def learn(truth: PipelineProblem, noise: WorldNoise, seed: int) -> Learned:
    """Profile a pipeline with sensors.

    Args:
        truth: The pipeline, one GPU for each rank.
        noise: Of its sensors.
        seed: Of all chance.

    Raises:
        UsageError: If the counter is too coarse for anything to be learned.
    """
    world = PipelineWorld(truth, noise, seed=seed)
    sweep = SweepPlan(world.operations)
    while not sweep.is_done:
        _, readings = world.run(sweep.ask())
        sweep.tell(readings)
    cost = sweep.cost()
    try:
        profile = sweep.profile()
    except ZeroDivisionError:  # a counter so coarse or slow that some operation seems to draw nothing
        seen = f"ticks of {noise.counter_period_s:g} s in steps of {noise.counter_step_j:g} J"
        raise UsageError("a profiler learns nothing with such a counter", seen, "ask for a finer one") from None
    return Learned(pipeline_problem(profile, truth.schedule), cost.extra_energy_j, cost.extra_time_s)


def best_learned(
    truth: PipelineProblem, learned: Learned, latency_s: float, domains: str, until_s: float
) -> Realised | None:
    """What a plan made from what was learned takes; None if not even the truth knows one that is in time.

    Returns:
        When it really ends, which may be a little after the deadline, and its energy until the deadline, as if it were
        late by no more than the plan that knows the truth.
    """
    known = best(truth, latency_s, domains, until_s)
    if known is None:
        return None
    switch, believed = SwitchCost(latency_s), learned.problem
    least_s = float(realise(believed, believed.fastest[None])[0][0])
    planned = best(believed, latency_s, domains, max(until_s, least_s))
    if planned is None:  # its highest clocks are believed to be too late, which they are not
        return realised(truth, truth.top_clocks, switch, until_s)
    rows = [_rows(believed, truth, kind) for kind in range(len(truth.tables))]
    choice = _translated(truth, rows, planned[0])
    end_s = max(until_s, realised(truth, choice, switch, until_s).time_s)
    run = realised(truth, choice, switch, end_s)
    rival = best(truth, latency_s, domains, end_s) if end_s > until_s else known
    rival_j = run.energy_j if rival is None else min(rival[1].energy_j, run.energy_j)
    return Realised(run.time_s, known[1].energy_j * run.energy_j / rival_j, run.switches)


def _rows(believed: PipelineProblem, truth: PipelineProblem, kind: int) -> Mapping[int, int]:
    """For one kind of operation of the truth: true rows by believed ones."""
    index = int(np.argmax(truth.kind == kind))
    table, real = believed.tables[believed.kind[index]], truth.tables[kind]
    if len(real) == 1:
        return dict.fromkeys(range(len(table)), 0)
    return {row: real.row_of(setting) for row, setting in enumerate(table.settings)}


def _translated(truth: PipelineProblem, rows: list[Mapping[int, int]], choice: Choice) -> Choice:
    """A believed choice in rows of the true tables."""
    found = [rows[kind][row] for kind, row in zip(truth.kind.tolist(), choice.tolist(), strict=True)]
    return np.array(found, dtype=np.int16)
