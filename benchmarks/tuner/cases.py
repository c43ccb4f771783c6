"""What tuners are tried on: measured tables, chips of twins, and laws drawn at random; and how a choice is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from joulewise.devices.simulated.model import load_model
from joulewise.devices.simulated.work import Kernel
from joulewise.frontier import Point
from joulewise.optimize.power import Effort, Goal, PowerTuner, ZeusSweep
from joulewise.records import Provenance
from joulewise.sim.job import JobTable, Noise, SimulatedJob
from joulewise.sim.replay import at_clocks, at_limits, replayed
from joulewise.wire.power_table import read_power_tables

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "zeus_nsdi23"
GPUS = ("v100", "a40")
EXAMPLES = {"cifar100": 50_000, "imagenet": 1_281_167, "librispeech": 104_014, "sentiment140": 425_000}
"""Examples of an epoch, which make steps of epochs: sizes of the public data sets, of LibriSpeech its 360 h part and of
Sentiment140 a slice of Capriccio's. The tables do not say; it decides only how long a step is beside the counter's
period."""

STEP_FRAC = 0.01
"""Relative standard deviation of single steps, in time and in power, unless told otherwise."""


def noise_of(model: str, step_frac: float = STEP_FRAC) -> Noise:
    """Scatter of steps, and the counter of a twin's contract."""
    return Noise(step_frac, step_frac, load_model(model).sensor.counter_period_s)


def goals_of(max_power_w: float) -> dict[str, Goal]:
    """The goals that regret is averaged over."""
    return {
        "energy": Goal.least_energy(),
        "eta 0.5": Goal.zeus(0.5, max_power_w),
        "5 % slower": Goal.max_slowdown(1.05),
    }


@dataclass(frozen=True)
class Case:
    """A job, the GPU it ran on, the power [W] at which Zeus prices time, and the steps of an epoch where known."""

    gpu: str
    table: JobTable
    max_power_w: float
    epoch_steps: int | None = None


def measured(gpu: str) -> list[Case]:
    """Every job and batch size that was measured on a GPU."""
    cases = []
    for one in read_power_tables(DATA / f"summary_power_{gpu}.csv"):
        epoch_steps = EXAMPLES[one.job.dataset] / one.batch_size
        cases.append(Case(gpu, replayed(one, epoch_steps), one.limit_w[-1], int(epoch_steps)))
    return cases


def on_chips(seed: int, jobs: int) -> Iterator[Case]:
    """Jobs that no table has, on chips that no table is of: by clock, and by limit."""
    rng = np.random.default_rng(seed)
    for name in ("a100", "h100", "b200", "mi300x", "epyc"):
        chip = load_model(name)
        top_w = chip.limit.maximum_w
        for _ in range(jobs):
            compute, step_s = rng.uniform(0.1, 0.95), float(np.exp(rng.uniform(np.log(0.05), np.log(3.0))))
            kernel = Kernel(step_s, compute, (1 - compute) * rng.uniform(0.2, 1.0), rng.uniform(0.4, 1.1))
            wait_s = step_s * float(rng.choice([0.0, 0.1, 0.4]))
            clocks = chip.clock.core_mhz
            lowest = next(clock for clock in clocks if clock >= 0.4 * clocks[-1])
            yield Case(
                f"{name} by clock", at_clocks(chip, kernel, wait_s, clocks_mhz=clocks[clocks.index(lowest) :]), top_w
            )
            yield Case(f"{name} by limit", at_limits(chip, kernel, wait_s), top_w)


def by_law(seed: int, jobs: int) -> Iterator[Case]:
    """Laws drawn at random: a + b/f, power rising with a power of f, and a plateau where something else binds."""
    rng = np.random.default_rng(seed)
    for number in range(jobs):
        count = int(rng.integers(5, 61))
        clock = np.minimum(np.linspace(rng.uniform(0.15, 0.6), 1.0, count), rng.uniform(0.5, 1.2))
        compute, static = rng.uniform(0.05, 1.0), rng.uniform(0.05, 0.6)
        step_s = float(np.exp(rng.uniform(np.log(0.05), np.log(3.0)))) * (1 - compute + compute / clock)
        power_w = 300.0 * (static + (1 - static) * clock ** rng.uniform(1.0, 3.0))
        yield Case("law", JobTable(f"law {number}", tuple(range(count)), step_s, power_w, Provenance.MODELLED), 300.0)


@dataclass(frozen=True)
class Run:
    """What a tuner chose, and what that took.

    Attributes:
        regret_frac: How much worse the choice truly is than the best: in cost, plus by how much it exceeds the limit.
        over_frac: By how much it truly exceeds the limit.
        steps, energy_j: Spent before the choice, settling included.
        settings: Settings that were probed.
    """

    case: Case
    goal: str
    choice: object
    regret_frac: float
    over_frac: float
    steps: int
    energy_j: float
    settings: int


def tuner_of(case: Case, goal_name: str, *, effort: Effort | None = None, known: Sequence[Point] = ()) -> PowerTuner:
    """Ours, from nothing or from what an earlier run knew."""
    return PowerTuner(case.table.settings, goals_of(case.max_power_w)[goal_name], effort, known=known)


def sweep_of(case: Case, goal_name: str) -> ZeusSweep:
    """Zeus's."""
    return ZeusSweep(case.table.settings, goals_of(case.max_power_w)[goal_name])


def run(case: Case, goal_name: str, tuner: PowerTuner | ZeusSweep, job: SimulatedJob) -> Run:
    """Tune one job."""
    while not (probe := tuner.ask()).is_final:
        tuner.tell(job.run(probe))
    table, goal = case.table, goals_of(case.max_power_w)[goal_name]
    row = table.settings.index(tuner.best())
    excess = goal.excess(table.step_s, table.step_j, float(table.step_s.min()))
    cost = goal.cost(table.step_s, table.step_j)
    best = int(np.lexsort((cost, excess))[0])
    regret = max(0.0, float(cost[row] / cost[best]) - 1.0) + float(excess[row])
    return Run(case, goal_name, tuner.best(), regret, float(excess[row]), job.steps, job.energy_j, len(tuner.points()))


def summary(runs: list[Run], sweeps: list[Run] | None = None) -> dict[str, float]:
    """The honest line: mean, worst, how many fail, and what it took beside the sweep, which has as many runs."""
    regret = np.array([one.regret_frac for one in runs])
    line = {
        "runs": len(runs),
        "mean_regret_percent": 100 * float(regret.mean()),
        "worst_regret_percent": 100 * float(regret.max()),
        "runs_above_1_percent": int((regret > 0.01).sum()),
        "runs_over_limit_by_1_percent": sum(one.over_frac > 0.01 for one in runs),
        "mean_steps": float(np.mean([one.steps for one in runs])),
        "mean_settings_probed": float(np.mean([one.settings for one in runs])),
        "mean_candidates": float(np.mean([len(one.case.table.settings) for one in runs])),
    }
    if sweeps:
        line["steps_of_sweep_frac"] = sum(one.steps for one in runs) / sum(one.steps for one in sweeps)
        line["worst_steps_of_sweep_frac"] = max(a.steps / b.steps for a, b in zip(runs, sweeps, strict=True))
        line["energy_of_sweep_frac"] = sum(a.energy_j / b.energy_j for a, b in zip(runs, sweeps, strict=True)) / len(
            runs
        )
    return line
