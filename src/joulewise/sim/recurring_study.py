"""Policies for recurring jobs side by side, on the same worlds with the same chance.

Theory of operation
-------------------
A *world* is a job on a device, in one or several stages of equally many recurrences:

- targets that change: drift. Policies are not told; the oracle is,
- another device: policies are told. Ours keeps what it knows of epochs, the others start anew.

Money is told in *oracle runs*: the cost of a recurrence over what the best batch size is expected to cost at its best
power limit, today. A policy's regret is the sum of that above one. Savings are against changing nothing: the default
batch size at the highest power limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.batch.catalog import make_policy
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.fixed import FixedSize
from joulewise.optimize.batch.grid import GridSearch
from joulewise.optimize.batch.protocol import Policy, cost_of
from joulewise.sim.overlap import replay_overlapping
from joulewise.sim.recurring import Floats, Problem, Stream, replay, replay_spliced

POLICIES = ("ours", "zeus", "default", "grid", "oracle")
LAST = 5


@dataclass(frozen=True)
class World:
    """A job on a device, or several in turn.

    Attributes:
        name: For people.
        stages: What it is, for equally many recurrences each.
        is_told: Whether policies learn that a stage has begun.
    """

    name: str
    stages: tuple[Problem, ...]
    is_told: bool = False

    def __post_init__(self) -> None:
        """Refuse a world in which no model is ever trained.

        Raises:
            UsageError: If no recorded run of a stage reached its target.
        """
        for stage in self.stages:
            if not stage.feasible:
                seen = f"no run of {len(stage.epochs)} batch sizes within {stage.max_epochs} epochs"
                raise UsageError(f"{stage.name}: nobody has reached this target", seen, "name one that runs reached")

    @cached_property
    def oracle_cost(self) -> Floats:
        """Cost of an oracle run in each stage."""
        return np.array([stage.expected_cost(stage.oracle) for stage in self.stages])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy made of a world.

    Attributes:
        cost: Of every recurrence [oracle runs].
        cost_saved: Of all of them, against changing nothing [%]; NaN if that never reaches the target.
        last_energy_saved: Energy of the last five against changing nothing [%]; likewise.
        last_time_saved: Time of the last five [%]; likewise.
        stuck: Recurrences that were given up after 20 tries.

    Shapes:
        cost: (recurrences,).
    """

    cost: Floats
    cost_saved: float
    last_energy_saved: float
    last_time_saved: float
    stuck: int

    @property
    def regret(self) -> Floats:
        """Cost above the oracle's, after every recurrence [oracle runs]."""
        total: Floats = np.cumsum(self.cost - 1.0)
        return total


def make(name: str, problem: Problem, seed: int) -> Policy:
    """A fresh policy of `POLICIES`; ``default`` is the default batch size at its best limit, for ever.

    Raises:
        UsageError: If there is none of that name.
    """
    match name:
        case "ours":
            return make_policy("curves", problem.spec)
        case "zeus":
            return make_policy("zeus", problem.spec, seed)
        case "default":
            return FixedSize(problem.spec)
        case "grid":
            return GridSearch(problem.spec, len(problem.rates[problem.default]))
        case "oracle":
            return FixedSize(problem.spec, problem.oracle)
    raise UsageError("there is no such policy", repr(name), f"use some of {', '.join(POLICIES)}")


def study(name: str, world: World, recurrences: int, seed: int, load: float = 0.0) -> Outcome:
    """One policy in one world.

    Args:
        name: One of `POLICIES`.
        world: Where.
        recurrences: Of each stage.
        seed: Of the world's chance, equal for all policies, and of the policy's own.
        load: Mean number of submissions under way; 0: one after the other.

    Raises:
        UsageError: If submissions are to overlap in a world of several stages.
    """
    if load and len(world.stages) > 1:
        raise UsageError(f"{world.name}: submissions overlap in one stage only", f"load {load:g}", "leave one out")
    stream = joined(_streams(name, world, recurrences, seed, load))
    stage = np.repeat(np.arange(len(world.stages)), recurrences)
    time_s, energy_j = np.array([problem.default_expected() for problem in world.stages]).T
    usual = [cost_of(t, e, p.cost) for t, e, p in zip(time_s, energy_j, world.stages, strict=True)]
    return Outcome(
        stream.cost / world.oracle_cost[stage],
        _saved(stream.cost, np.array(usual)[stage]),
        _saved(stream.energy_j[-LAST:], energy_j[stage][-LAST:]),
        _saved(stream.time_s[-LAST:], time_s[stage][-LAST:]),
        stream.stuck,
    )


def _streams(name: str, world: World, recurrences: int, seed: int, load: float) -> list[Stream]:
    stages = world.stages
    if load:
        return [replay_overlapping(stages[0], make(name, stages[0], seed), recurrences, load, seed)]
    if not world.is_told and name != "oracle":
        spliced = [stage for stage in stages for _ in range(recurrences)]
        return [replay_spliced(spliced, make(name, stages[0], seed), seed)]
    policy, streams = make(name, stages[0], seed), []
    for number, stage in enumerate(stages):
        if number:
            keeps = isinstance(policy, CurveBandit)
            policy = _inherited(policy, stage) if keeps else make(name, stage, seed)  # type: ignore[arg-type]
        streams.append(replay(stage, policy, recurrences, seed + 1000 * number))
    return streams


def _inherited(policy: CurveBandit, stage: Problem) -> CurveBandit:
    return policy.inherit(stage.spec, same_target=True, same_device=False)


def joined(streams: Sequence[Stream]) -> Stream:
    """Streams one after the other, as one."""
    rows = {
        field.name: np.concatenate([getattr(one, field.name) for one in streams])
        for field in fields(Stream)
        if field.name != "stuck"
    }
    return Stream(**rows, stuck=sum(one.stuck for one in streams))


def _saved(used: Floats, usual: Floats) -> float:
    """Share that was saved of the usual [%]."""
    return float(100.0 * (1.0 - used.sum() / usual.sum())) if np.isfinite(usual).all() else float("nan")
