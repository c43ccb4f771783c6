"""The tuner of one job on measured power limits: what its choice saves, and what finding it takes beside a sweep."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from joulewise.devices.simulated.model import load_model, model_names
from joulewise.optimize.power import Goal, PowerTuner, ZeusSweep
from joulewise.sim.job import JobTable, Noise, SimulatedJob
from joulewise.sim.replay import replayed
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.trace_folder import RATES
from joulewise.wire.power_table import PowerTable, read_power_tables

EXAMPLES = {"cifar100": 50_000, "imagenet": 1_281_167, "librispeech": 104_014, "sentiment140": 425_000}
"""Examples of an epoch, which make steps of epochs; it decides only how long a step is beside the counter's period."""
OTHER_EXAMPLES = 100_000
STEP_FRAC, PERIOD_S, SEEDS = 0.01, 0.1, 3
DRAWN, GIVEN = partial(Column, origin=Origin.SIMULATED), partial(Column, origin=Origin.RECOMPUTED)


class Line(NamedTuple):
    """Over all goals and seeds of one job: regrets [%], steps, and the same of the sweep."""

    regret: float
    worst: float
    steps: float
    sweep_regret: float
    sweep_steps: float
    saved: float
    possible: float


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """Every job of every table, and their means by GPU."""
    rows, by_gpu = list[tuple[str, ...]](), dict[str, list[Line]]()
    for folder in data.traces:
        for file in sorted(folder.glob(f"{RATES}*.csv")):
            gpu = file.stem.removeprefix(RATES)
            for table in read_power_tables(file):
                line = _line(table, gpu)
                name = f"{table.job.dataset}/{table.job.network}/{table.job.optimizer}"
                by_gpu.setdefault(gpu, []).append(line)
                rows.append((name, str(table.batch_size), gpu, *_cells(line)))
    everything = [line for lines in by_gpu.values() for line in lines]
    means = [(gpu, str(len(lines)), *_cells(_mean(lines))) for gpu, lines in by_gpu.items()]
    means.append(("**all**", str(len(everything)), *_cells(_mean(everything))))
    return tuple(
        Exhibit(
            name,
            title,
            f"Three goals (least energy, eta 0.5, at most 5 % slower), {SEEDS} seeds; steps scatter by "
            f"{100 * STEP_FRAC:g} %. Regret: how much worse the choice truly is than the best. The saving is that of "
            "least energy, against the highest limit; possible is the table's own. The sweep tries every limit, as "
            "Zeus does. More, with claims: benchmarks/tuner.",
            "Zeus (`you2023`), its public tables of power limits, as given",
            (
                *map(Column, heads),
                *map(
                    DRAWN,
                    ("mean regret [%]", "worst [%]", "steps", "regret of a sweep [%]", "steps of a sweep", "saved [%]"),
                ),
                GIVEN("possible [%]"),
            ),
            tuple(shown),
        )
        for name, title, heads, shown in (
            ("tuner-gpus", "Choosing a power limit while the job runs", ("GPU", "jobs and batch sizes"), means),
            ("tuner-limits", "The same, job by job", ("job", "batch size", "GPU"), rows),
        )
    )


def _mean(lines: list[Line]) -> Line:
    """Means of all, and the worst of the worst."""
    mean = Line(*(float(np.mean(column)) for column in zip(*lines, strict=True)))
    return mean._replace(worst=max(line.worst for line in lines))


def _cells(line: Line) -> tuple[str, ...]:
    return (
        f"{line.regret:.2f}",
        f"{line.worst:.1f}",
        f"{line.steps:.0f}",
        f"{line.sweep_regret:.2f}",
        f"{line.sweep_steps:.0f}",
        f"{line.saved:.1f}",
        f"{line.possible:.1f}",
    )


def goals_of(max_power_w: float) -> tuple[Goal, ...]:
    """The goals that regret is averaged over; least energy first."""
    return Goal.least_energy(), Goal.zeus(0.5, max_power_w), Goal.max_slowdown(1.05)


def _line(table: PowerTable, gpu: str) -> Line:
    job = replayed(table, EXAMPLES.get(table.job.dataset, OTHER_EXAMPLES) / table.batch_size)
    period_s = load_model(gpu).sensor.counter_period_s if gpu in model_names() else PERIOD_S
    noise = Noise(STEP_FRAC, STEP_FRAC, period_s)
    runs = [
        (goal, [_tuned(kind(job.settings, goal), job, goal, noise, seed) for kind in (PowerTuner, ZeusSweep)])
        for goal in goals_of(table.limit_w[-1])
        for seed in range(SEEDS)
    ]
    regret, steps, rows = np.array([pair for _, pair in runs]).transpose(2, 1, 0)
    energy_j = job.step_j[rows[0, :SEEDS].astype(int)]
    return Line(
        100 * float(regret[0].mean()),
        100 * float(regret[0].max()),
        float(steps[0].mean()),
        100 * float(regret[1].mean()),
        float(steps[1].mean()),
        100 * float(1 - energy_j.mean() / job.step_j[-1]),
        100 * float(1 - job.step_j.min() / job.step_j[-1]),
    )


def _tuned(
    tuner: PowerTuner | ZeusSweep, table: JobTable, goal: Goal, noise: Noise, seed: int
) -> tuple[float, int, int]:
    """Regret of the choice, steps before it, and its row."""
    job = SimulatedJob(table, noise, np.random.default_rng(seed))
    while not (probe := tuner.ask()).is_final:
        tuner.tell(job.run(probe))
    row = table.settings.index(tuner.best())
    excess = goal.excess(table.step_s, table.step_j, float(table.step_s.min()))
    cost = goal.cost(table.step_s, table.step_j)
    best = int(np.lexsort((cost, excess))[0])
    return max(0.0, float(cost[row] / cost[best]) - 1.0) + float(excess[row]), job.steps, row
