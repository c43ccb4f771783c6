"""Which problems are replayed, and streams of them; one function a stream, so that processes can share the work."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from joulewise.optimize.batch.catalog import make_policy
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.fixed import FixedSize
from joulewise.optimize.batch.grid import GridSearch
from joulewise.optimize.batch.protocol import Policy, cost_of
from joulewise.optimize.batch.zeus import ZeusBandit
from joulewise.sim.job_families import family_problem
from joulewise.sim.overlap import replay_overlapping
from joulewise.sim.recurring import Problem, replay, replay_spliced
from joulewise.sim.traces import PAPER, targets, trace_problem
from joulewise.wire.trace_table import read_epoch_rates, read_training

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "zeus_nsdi23"
DEVICES = ("v100", "a40")
SET_A = {
    "cifar100": (0.1, 0.2, 0.3, 0.4, 0.5, 0.55),
    "imagenet": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "librispeech": (45.0, 50.0, 55.0, 60.0, 65.0),
    "sentiment140": (0.82, 0.852),
}
SET_B = {
    "cifar100": (0.15, 0.25, 0.35, 0.45),
    "imagenet": (0.15, 0.25, 0.35, 0.45, 0.55),
    "sentiment140": (0.83, 0.845),
}
DRIFT = (
    ("librispeech", "v100", (45.0, 40.0, 45.0)),
    ("librispeech", "v100", (60.0, 50.0, 40.0)),
    ("cifar100", "v100", (0.5, 0.6, 0.5)),
    ("cifar100", "a40", (0.5, 0.55, 0.6)),
    ("imagenet", "v100", (0.6, 0.65, 0.6)),
    ("imagenet", "v100", (0.3, 0.65)),
    ("imagenet", "v100", (0.65, 0.3)),
)
PER_TARGET, SETTLED = 60, 20

Key = tuple[str, str, float, float | None]
"""Data set, device, eta, target (None: the paper's)."""


@cache
def problem(key: Key) -> Problem:
    """The problem of a key; a device ``family`` means a drawn job, its number in the place of the target."""
    dataset, device, eta, target = key
    if device == "family":
        return family_problem(dataset, int(target or 0), eta)
    job = next(job for job in PAPER if job.dataset == dataset)
    paper = PAPER[job] if target is None else replace(PAPER[job], target=target)
    training, rates = read_training(DATA / "summary_train.csv"), read_epoch_rates(DATA / f"summary_power_{device}.csv")
    return trace_problem(training, rates, job, eta=eta, paper=paper, device=device)


@cache
def datasets() -> tuple[str, ...]:
    """Those of the paper's jobs that the traces hold."""
    present = {row.job for row in read_training(DATA / "summary_train.csv")}
    return tuple(job.dataset for job in PAPER if job in present)


def published(eta: float) -> list[Key]:
    """Every job on every device at the paper's target."""
    return [(dataset, device, eta, None) for dataset in datasets() for device in DEVICES]


def chosen(of: dict[str, tuple[float, ...]]) -> list[Key]:
    """A set of other targets."""
    return [(d, device, 0.5, target) for d, ts in of.items() for target in ts for device in DEVICES]


def every_other_target() -> tuple[list[Key], list[Key]]:
    """Those that the default can reach, and those that only other sizes can."""
    training = read_training(DATA / "summary_train.csv")
    keys = [
        (job.dataset, device, 0.5, target)
        for job, paper in PAPER.items()
        for target in targets(training, job)
        for device in DEVICES
        if target != paper.target
    ]
    worlds = {key: problem(key) for key in keys}
    able = [key for key in keys if np.isfinite(worlds[key].expected_cost(worlds[key].default))]
    return able, [key for key in keys if key not in able and worlds[key].feasible]


def policy(name: str, world: Problem, seed: int) -> Policy:
    """A fresh policy of a name that the tables use."""
    match name:
        case "oracle":
            return FixedSize(world.spec, world.oracle)
        case "grid":
            return GridSearch(world.spec, len(world.rates[world.default]))
        case "zeus, window 10":
            return ZeusBandit(world.spec, seed, window=10)
        case _:
            return make_policy({"ours": "curves", "default": "fixed"}.get(name, name), world.spec, seed)


def stream(name: str, key: Key, recurrences: int, seed: int) -> dict[str, float]:
    """One policy on one problem: regret at half and at the end, stuck recurrences."""
    world = problem(key)
    run = replay(world, policy(name, world, seed), recurrences, seed)
    half, whole = run.regret(world, recurrences // 2), run.regret(world)
    return {"half": half, "whole": whole, "stuck": float(run.stuck)}


def ends(name: str, key: Key, seed: int) -> dict[str, float]:
    """Savings in % against the default at its highest limit: the last five of 2*|B|*|P| recurrences, and all."""
    world = problem(key)
    recurrences = 2 * sum(map(len, world.rates.values()))
    run = replay(world, policy(name, world, seed), recurrences, seed)
    time_s, energy_j = world.default_expected()
    return {
        "last-5 energy": 100.0 * (1.0 - float(run.energy_j[-5:].mean()) / energy_j),
        "last-5 time": 100.0 * (1.0 - float(run.time_s[-5:].mean()) / time_s),
        "energy": 100.0 * (1.0 - float(run.energy_j.mean()) / energy_j),
        "cost": 100.0 * (1.0 - float(run.cost.mean()) / cost_of(time_s, energy_j, world.cost)),
    }


def overlap(name: str, key: Key, load: float, seed: int) -> dict[str, float]:
    """A hundred submissions that overlap."""
    world = problem(key)
    run = replay_overlapping(world, policy(name, world, seed), 100, load, seed)
    return {"whole": run.regret(world), "stuck": float(run.stuck)}


def drift(name: str, number: int, seed: int) -> dict[str, float]:
    """A target that changes, untold: regret, and cost over the default's from the 20th recurrence after it."""
    dataset, device, levels = DRIFT[number]
    worlds = [problem((dataset, device, 0.5, target)) for target in levels for _ in range(PER_TARGET)]
    run = replay_spliced(worlds, policy(name, worlds[0], seed), seed)
    least = np.array([world.expected_cost(world.oracle) for world in worlds])
    usual = np.array([cost_of(*world.default_expected(), world.cost) for world in worlds])
    after = np.arange(len(worlds))
    settled = (after >= PER_TARGET) & (after % PER_TARGET >= SETTLED)
    return {
        "whole": float((run.cost / least - 1.0).sum()),
        "settled over default": float((run.cost[settled] / usual[settled]).mean()),
        "default": float((usual / least - 1.0).sum()),
        "stuck": float(run.stuck),
    }


def switch(name: str, before: Key, after: Key, seed: int) -> dict[str, float]:
    """Fifty recurrences on another device or with another goal; ours keeps what it learned in a hundred before."""
    old, new = problem(before), problem(after)
    fresh = policy(name, new, seed)
    if name == "ours":
        learned = CurveBandit(old.spec)
        replay(old, learned, 100, seed)
        fresh = learned.inherit(new.spec, same_target=True, same_device=before[1] == after[1])
    run = replay(new, fresh, 50, seed + 1000)
    return {"whole": run.regret(new), "stuck": float(run.stuck)}
