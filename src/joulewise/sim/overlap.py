"""A recurring job whose submissions overlap: the next starts before the one before has ended.

Theory of operation
-------------------
Submissions arrive at random (Poisson), on average ``load`` of them while one runs. As in the published simulator of
groups of jobs, how long a try lasts is given with its submission, whatever was chosen for it: one unit of time, times a
log-normal factor. So all policies meet the same overlap; what they are charged is what their tries cost in the trace.
A policy is asked when a submission arrives and when a try has to be repeated, and told when a try ends, that is, late
and out of order. What a try costs is settled when it starts, the bound after its first epoch included.
"""

from __future__ import annotations

import heapq
import math

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.batch.protocol import End, Policy
from joulewise.sim.recurring import MOST_TRIES, Draws, Problem, Stream, Try, run_try

RUNTIME_VARIATION = 0.3
"""Coefficient of variation of how long tries last."""


def replay_overlapping(problem: Problem, policy: Policy, submissions: int, load: float, seed: int) -> Stream:
    """One policy on one problem whose submissions overlap.

    Args:
        problem: The world.
        policy: The decider; it keeps what it learns.
        submissions: How many.
        load: Mean number of submissions under way, retries left out, > 0.
        seed: Of the world's chance; equal for all policies.

    Returns:
        One row for each submission, in the order of arrival.
    """
    if not load > 0.0:
        raise UsageError("a load is not usable", repr(load), "give a positive number; for none, use replay")
    rng = np.random.default_rng([seed, 1])
    spread = math.sqrt(math.log1p(RUNTIME_VARIATION**2))
    arrivals = np.cumsum(rng.exponential(1.0 / load, submissions))
    lasts = np.exp(rng.normal(-0.5 * spread**2, spread, submissions))
    draws, seen = Draws(problem, seed), set[int]()
    rows = np.zeros((submissions, 3))
    sizes, tries = np.zeros(submissions, np.int64), np.zeros(submissions, np.int64)
    stuck, order = 0, submissions
    events: list[tuple[float, int, int, Try | None]] = [(at, i, i, None) for i, at in enumerate(arrivals.tolist())]
    while events:
        now, _, which, one = heapq.heappop(events)
        retry_of = None
        if one is not None:
            policy.tell(one.report)
            rows[which] += one.cost, one.report.time_s, one.report.energy_j
            stuck += one.report.end is not End.REACHED and tries[which] >= MOST_TRIES
            if one.report.end is End.REACHED or tries[which] >= MOST_TRIES:
                continue
            retry_of = one.trial.number
        started = run_try(problem, policy, policy.ask(retry_of), draws, seen)
        tries[which] += 1
        sizes[which] = started.trial.batch_size
        order += 1
        heapq.heappush(events, (now + float(lasts[which]), order, which, started))
    return Stream(rows[:, 0], rows[:, 1], rows[:, 2], sizes, tries, stuck)
