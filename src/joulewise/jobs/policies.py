"""From what a client says of its job to what deciders know: specification, identity, policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch import catalog
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.identity import JobIdentity, Target
from joulewise.optimize.batch.job_frontier import job_frontier
from joulewise.optimize.batch.ledger import Ledger
from joulewise.optimize.batch.protocol import JobSpec, Policy
from joulewise.records import Provenance
from joulewise.wire.hub import JobDescription


class Recorded(Policy, Protocol):
    """A policy that keeps its trials in a ledger, so that trials can be added that it was not asked for."""

    ledger: Ledger


@runtime_checkable
class Inheriting(Protocol):
    """A policy that hands on what it knows to that of another job."""

    def inherit(self, spec: JobSpec, *, same_target: bool, same_device: bool) -> Recorded:
        """The policy of another job, which starts with what this one knows."""


def spec_of(description: JobDescription) -> JobSpec:
    """What a policy must know of a job."""
    cost = ZeusCost(description.eta, description.max_power_w)
    return JobSpec(description.batch_sizes, description.default, description.max_epochs, cost)


def identity_of(description: JobDescription) -> JobIdentity:
    """What tells whether a job may start with what another has learned."""
    return JobIdentity(
        description.model or description.name,
        description.data or description.name,
        description.optimizer,
        tuple(Target(one.metric, one.value, one.higher_is_better) for one in description.targets),
        description.max_epochs,
        description.device,
        description.device_count,
    )


def reached(description: JobDescription, metrics: Mapping[str, float | None]) -> bool:
    """Whether metrics meet all targets; one that is absent or not a number meets none."""
    known = {name: value for name, value in metrics.items() if value is not None}
    return identity_of(description).is_reached(known)


def new_policy(description: JobDescription) -> Recorded:
    """The policy that a description names, knowing nothing.

    Raises:
        UsageError: If there is none of that name.
    """
    return cast(Recorded, catalog.make_policy(description.policy, spec_of(description), description.seed))


def dump_policy(policy: Policy) -> str:
    """A policy as text; equal knowledge is equal text."""
    return json.dumps(policy.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)


def load_policy(text: str) -> Recorded:
    """The policy of which `dump_policy` made ``text``."""
    return cast(Recorded, catalog.load_policy(json.loads(text)))


def frontier_of(text: str, provenance: Provenance) -> Frontier:
    """Time and energy to target over (batch size, power limit), by what a policy knows.

    Args:
        text: The policy, as `dump_policy` writes it.
        provenance: The weakest of what it was told; a product of epochs and rates is modelled at best.

    Raises:
        UsageError: If no size has reached the target yet, or the policy keeps no curves.
    """
    policy: Policy = load_policy(text)
    if not isinstance(policy, CurveBandit):
        seen = type(policy).__name__
        raise UsageError("this policy does not know a frontier", seen, 'describe the job with policy "curves"')
    return job_frontier(policy, provenance=Provenance.weakest([provenance, Provenance.MODELLED]))
