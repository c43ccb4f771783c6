"""One job, batch size and power limit: what there is to save, and what the published policy ends with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from joulewise.optimize.batch.protocol import EpochRate, best_rate
from joulewise.optimize.batch.zeus import ZeusBandit
from joulewise.sim.recurring import Problem, replay
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.jobs import ASSUMED, Job, jobs_of

SOURCE = "Zeus (`you2023`), section 6; its public traces, as given"
OURS, DRAWN, THEIRS = (partial(Column, origin=one) for one in (Origin.RECOMPUTED, Origin.SIMULATED, Origin.PUBLISHED))
SEEDS, LAST = 10, 5
NONE = "\u2013"

PUBLISHED = {  # energy saved and time changed [%], by the authors' simulator, mean of ten seeds
    "v100": {"librispeech": (38.1, -22.6), "squad": (19.0, 0.8), "sentiment140": (20.9, 8.4),
             "imagenet": (20.0, 6.6), "cifar100": (74.8, -44.0), "movielens-1m": (65.0, -63.2)},
    "p100": {"librispeech": (12.0, -2.6), "squad": (27.3, -12.8), "sentiment140": (15.2, 4.8),
             "imagenet": (18.0, 6.4), "cifar100": (70.8, -56.1), "movielens-1m": (70.8, -70.4)},
    "rtx6000": {"librispeech": (50.7, -42.3), "squad": (24.4, -2.9), "sentiment140": (0.7, 0.7),
                "imagenet": (17.2, 4.1), "cifar100": (65.2, -35.6), "movielens-1m": (78.0, -75.0)},
    "a40": {"librispeech": (66.3, -59.2), "squad": (15.6, 9.5), "sentiment140": (20.6, 11.2),
            "imagenet": (13.4, 4.2), "cifar100": (67.0, -53.8), "movielens-1m": (60.2, -58.3)},
}  # fmt: skip


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """What there is to save, and the last five recurrences of the published policy."""
    jobs = jobs_of(data.traces)
    note = f" {ASSUMED}" if any(job.is_assumed for job in jobs) else ""
    return (
        Exhibit(
            "zeus-oracle",
            "Energy saved by whoever knows the best batch size and power limit",
            "Against the default size at the highest limit, expected over recorded runs; runs that miss the target are "
            "paid and repeated. For six jobs on V100 the paper states 23.8 to 74.7 % for both together and 3.0 to "
            f"31.5 % for the limit alone.{note}",
            SOURCE,
            (
                Column("job"),
                Column("GPU"),
                *map(OURS, ("size alone [%]", "limit alone [%]", "both [%]", "size", "limit [W]")),
                *map(OURS, ("at eta 0.5: size", "its limit [W]", "energy saved [%]", "time [%]")),
            ),
            tuple(_oracle(job) for job in jobs),
        ),
        Exhibit(
            "zeus-last-five",
            "The published policy, settled",
            f"Last {LAST} of 2 |B| |P| recurrences at eta 0.5, mean of {SEEDS} seeds, against the default size at the "
            f"highest limit. Published: by the authors' simulator, on the same traces.{note}",
            SOURCE,
            (
                Column("job"),
                Column("GPU"),
                Column("recurrences"),
                *map(DRAWN, ("energy saved [%]", "time [%]")),
                *map(THEIRS, ("published: energy saved [%]", "published: time [%]")),
            ),
            tuple(_last_five(job) for job in jobs),
        ),
    )


def _oracle(job: Job) -> tuple[str, ...]:
    energy, weighed = job.problem(1.0), job.problem(0.5)
    usual_s, usual_j = energy.default_expected()

    def saved(size: int, rate: EpochRate) -> float:
        return 100 * (1 - energy.expected(size, rate)[1] / usual_j)

    default, sizes = energy.default, energy.rates
    size_alone = max(saved(size, rates[0]) for size, rates in sizes.items())  # the highest limit stands first
    limit_alone = saved(default, best_rate(sizes[default], energy.cost))
    best, at = energy.oracle, weighed.oracle
    rate, rate_at = energy.best_rates[best], weighed.best_rates[at]
    time_s, energy_j = weighed.expected(at)
    return (
        *_who(job),
        *(f"{figure:.1f}" for figure in (size_alone, limit_alone, saved(best, rate))),
        *(f"{best}", f"{rate.limit_w:g}", f"{at}", f"{rate_at.limit_w:g}"),
        f"{100 * (1 - energy_j / usual_j):.1f}",
        f"{100 * (time_s / usual_s - 1):+.1f}",
    )


def _last_five(job: Job) -> tuple[str, ...]:
    world = job.problem(0.5)
    recurrences = 2 * sum(len(rates) for rates in world.rates.values())
    saved_j, slower = settled(world, recurrences, range(SEEDS))
    theirs = PUBLISHED.get(job.device, {}).get(job.name)
    said = (f"{theirs[0]:.1f}", f"{theirs[1]:+.1f}") if theirs else (NONE, NONE)
    return (*_who(job), str(recurrences), f"{saved_j:.1f}", f"{slower:+.1f}", *said)


def settled(world: Problem, recurrences: int, seeds: Sequence[int]) -> tuple[float, float]:
    """Energy saved and time changed [%] in the last recurrences of the published policy, mean over seeds."""
    runs = [replay(world, ZeusBandit(world.spec, seed), recurrences, seed) for seed in seeds]
    time_s, energy_j = world.default_expected()
    used_j = float(np.mean([run.energy_j[-LAST:] for run in runs]))
    took_s = float(np.mean([run.time_s[-LAST:] for run in runs]))
    return 100 * (1 - used_j / energy_j), 100 * (took_s / time_s - 1)


def _who(job: Job) -> tuple[str, str]:
    return job.name + (" *" if job.is_assumed else ""), job.device
