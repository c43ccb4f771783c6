"""Recurring jobs: our bandit of batch sizes beside the published policy; a small part of benchmarks/bandit."""

from __future__ import annotations

from functools import partial

import numpy as np

from joulewise.sim.recurring_study import Outcome, World, study
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.jobs import ASSUMED, jobs_of

RECURRENCES, SEEDS = 50, 3
POLICIES = ("ours", "zeus", "default")
DRAWN = partial(Column, origin=Origin.SIMULATED)


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """Regret and what is saved in the end, job by job."""
    jobs = jobs_of(data.traces)
    note = f" {ASSUMED}" if any(job.is_assumed for job in jobs) else ""
    rows = list[tuple[str, ...]]()
    totals = dict.fromkeys(POLICIES, 0.0)
    for job in jobs:
        world = World(f"{job.name} {job.device}", (job.problem(0.5),))
        found = {name: [study(name, world, RECURRENCES, seed) for seed in range(1, SEEDS + 1)] for name in POLICIES}
        for name, outcomes in found.items():
            totals[name] += _regret(outcomes)
        rows.append(
            (
                job.name + (" *" if job.is_assumed else ""),
                job.device,
                *(f"{_regret(found[name]):.1f}" for name in POLICIES),
                *(f"{_saved(found[name]):.1f}" for name in POLICIES),
            )
        )
    rows.append(("**all**", "", *(f"{totals[name]:.1f}" for name in POLICIES), "", "", ""))
    return (
        Exhibit(
            "bandit-regret",
            "What learning costs",
            f"Regret of {RECURRENCES} recurrences at eta 0.5 in runs of an oracle, and energy saved in the last five; "
            f"mean of {SEEDS} seeds. Measured tables, replayed in drawn order; the whole comparison is in "
            f"benchmarks/bandit. *default* keeps the usual size at the limit at which it costs least.{note}",
            "Zeus (`you2023`), its public traces, as given; its policy as in `joulewise.optimize.batch.zeus`",
            (
                Column("job"),
                Column("GPU"),
                *(DRAWN(f"regret of {name}") for name in POLICIES),
                *(DRAWN(f"last five saved by {name} [%]") for name in POLICIES),
            ),
            tuple(rows),
        ),
    )


def _regret(outcomes: list[Outcome]) -> float:
    return float(np.mean([one.regret[-1] for one in outcomes]))


def _saved(outcomes: list[Outcome]) -> float:
    return float(np.mean([one.last_energy_saved for one in outcomes]))
