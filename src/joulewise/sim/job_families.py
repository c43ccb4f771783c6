"""Jobs that nobody has measured: families of recurring jobs to hold policies to beyond the traces.

Theory of operation
-------------------
A policy whose constants were looked up in a trace does well on that trace. So each family draws jobs at random from a
wide range, in the shapes that the literature reports:

- ``bend``: epochs level up to a critical batch size and growing with a power of it beyond (McCandlish et al. 2018),
- ``valley``: small batches need more epochs too, and the smallest never arrive (learning rates that were not tuned),
- ``level``: epochs do not depend on the size, only throughput does (fine-tuning for a fixed few epochs),
- ``rough``: a bend whose sizes differ by tens of percent for no reason, with runs that sometimes take twice as long,
- ``brief``: a rough bend or valley of one to six epochs, so that whole epochs are most of what can be seen.

Sizes may lie a half, one or two octaves apart, epochs run from one to about ninety. An epoch costs a share for every
step and one for every sample; a power limit slows the latter. Everything is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.protocol import EpochRate
from joulewise.sim.recurring import Problem

FAMILIES = ("bend", "valley", "level", "rough", "brief")
LIMITS_W = (250.0, 225.0, 200.0, 175.0, 150.0, 125.0, 100.0)
IDLE_W, FULL_W = 55.0, 260.0

Floats = NDArray[np.float64]


def family_problem(family: str, seed: int, eta: float = 0.5) -> Problem:
    """One job of a family; tries again until the job's default can reach its target.

    Args:
        family: One of `FAMILIES`.
        seed: Equal seeds give equal jobs.
        eta: Weight of energy against time in the cost.
    """
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    while True:
        problem = _draw(family, f"{family} {seed}", eta, rng)
        if np.isfinite(problem.expected_cost(problem.default)):
            return problem


def _draw(family: str, name: str, eta: float, rng: np.random.Generator) -> Problem:
    octaves = _octaves(rng)
    max_epochs = 100
    mean = _epochs(family, octaves, rng)
    spread = rng.uniform(0.01, 0.15)
    runs = np.exp(rng.normal(0.0, spread, (len(octaves), 8))) * mean[:, None]
    if family == "rough":
        runs = np.where(rng.random(runs.shape) < 0.06, 2.0 * runs, runs)
    runs = np.maximum(1.0, np.ceil(runs) if family == "brief" else np.rint(runs))
    sizes = [int(size) for size in np.rint(2.0**octaves)]
    default = sizes[int(rng.integers(len(sizes) // 3, len(sizes)))]
    epochs = {
        size: tuple(float(run) if run <= max_epochs else float("inf") for run in row)
        for size, row in zip(sizes, runs, strict=True)
    }
    return Problem(name, epochs, _rates(sizes, octaves, rng), default, max_epochs, ZeusCost(eta, LIMITS_W[0]))


def _octaves(rng: np.random.Generator) -> Floats:
    step = float(rng.choice([0.5, 1.0, 1.0, 1.0, 2.0]))
    count = int(rng.integers(5, 14))
    result: Floats = rng.integers(3, 7) + step * np.arange(count, dtype=np.float64)
    return result


def _epochs(family: str, octaves: Floats, rng: np.random.Generator) -> Floats:
    least = float(np.exp(rng.uniform(*((np.log(0.3), np.log(4.0)) if family == "brief" else (0.0, np.log(30.0))))))
    if family == "level":
        return np.full(len(octaves), np.rint(rng.uniform(1.0, 8.0)))
    knee = rng.uniform(octaves[0] - 1.0, octaves[-1] + 1.0)
    power = rng.uniform(0.5, 1.0)
    shape = np.log1p(2.0 ** (octaves - knee)) * power
    if family == "valley" or (family == "brief" and rng.random() < 0.5):
        left = rng.uniform(octaves[0] - 1.0, knee)
        shape = shape + np.log1p(2.0 ** ((left - octaves) * rng.uniform(0.5, 1.5)))
    if family in ("rough", "brief"):
        shape = shape + rng.normal(0.0, rng.uniform(0.05, 0.2), len(octaves))
    mean: Floats = least * np.exp(shape)
    return mean


def _rates(sizes: Sequence[int], octaves: Floats, rng: np.random.Generator) -> dict[int, tuple[EpochRate, ...]]:
    full_at = rng.uniform(octaves[0] - 1.0, octaves[-1])
    epoch_s = rng.uniform(10.0, 2000.0)
    slope = rng.uniform(0.6, 1.0)
    late = rng.uniform(0.0, 0.08) * (rng.random() < 0.3)
    rates = {}
    for size, octave in zip(sizes, octaves, strict=True):
        idle = 2.0 ** ((full_at - octave) * slope)
        extra = float(np.exp(rng.normal(0.0, 0.03) + min(late * max(0.0, octave - full_at) ** 2, 1.5)))
        rows = []
        for limit_w in LIMITS_W:
            busy_w = IDLE_W + (FULL_W - IDLE_W) / (1.0 + idle)
            slowed = max(1.0, ((busy_w - IDLE_W) / (limit_w - IDLE_W)) ** 0.5)
            time_s = epoch_s * (idle + slowed) * extra
            rows.append(EpochRate(limit_w, time_s, min(busy_w, limit_w)))
        rates[size] = tuple(rows)
    return rates
