"""Ask and tell across jobs: how whoever runs a recurring job speaks with the decider of its batch size.

Theory of operation
-------------------
A job recurs: it is trained again and again until a metric reaches its target. Each try at training is a *trial*. A
decider is pure: it touches no hardware, clock or file. Whoever runs it

1. calls ``ask`` for a trial, or ``ask(retry_of=number)`` if the try before did not reach the target;
2. trains at ``trial.batch_size``, and after the first epoch, once it knows what an epoch costs at each power limit,
   calls ``progress``, which answers how much the trial may cost (more often is allowed);
3. stops before the epoch that would pass that bound, and in any case after ``max_epochs``;
4. calls ``tell`` with what happened, once or several times, in any order among trials.

The power limit is not asked for: among the limits that were measured for a batch size the cheapest per epoch is the
cheapest altogether, since epochs do not depend on it (Zeus, equation 7). `best_rate` finds it.

Who owns time also owns leases: a trial that nobody has reported on for too long is told as ``End.EXPIRED``. If its
report comes after all, it replaces the expiry. A report told twice counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier.objective import Objective, ZeusCost


class Kind(StrEnum):
    """Why a trial runs."""

    EXPLORATION = "exploration"
    EXPLOITATION = "exploitation"
    CONCURRENT = "concurrent"


class End(StrEnum):
    """How a trial ended."""

    REACHED = "reached"
    """The metric reached its target."""
    MISSED = "missed"
    """It ran to max_epochs and did not."""
    STOPPED = "stopped"
    """The bound on its cost stopped it."""
    FAILED = "failed"
    """It crashed by itself: out of memory, not a number."""
    KILLED = "killed"
    """Somebody ended it for reasons of their own."""
    EXPIRED = "expired"
    """Nobody has reported on it for too long."""


@dataclass(frozen=True, slots=True)
class EpochRate:
    """What one epoch takes at one power limit.

    Attributes:
        limit_w: Power limit [W], or None where there is none to set.
        epoch_s: Time of an epoch [s], > 0.
        power_w: Average power over it [W], >= 0.
    """

    limit_w: float | None
    epoch_s: float
    power_w: float

    @property
    def epoch_j(self) -> float:
        """Energy of an epoch [J]."""
        return self.epoch_s * self.power_w

    def __post_init__(self) -> None:
        """Refuse what no epoch can take."""
        if not (0.0 < self.epoch_s < float("inf") and 0.0 <= self.power_w < float("inf")):
            seen = f"{self.epoch_s!r} s at {self.power_w!r} W"
            raise UsageError(
                "the rate of an epoch is not usable", seen, "give a positive time and a power that is not negative"
            )


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a decider must know of a job.

    Attributes:
        batch_sizes: The sizes to choose from, rising.
        default: The size that users would take, one of them.
        max_epochs: A run that has not reached its target by then has missed it.
        cost: What to minimise.

    Raises:
        UsageError: If there is no size, one is not positive or stands twice, or the default is none of them.
    """

    batch_sizes: tuple[int, ...]
    default: int
    max_epochs: int
    cost: ZeusCost

    def __post_init__(self) -> None:
        """Sort and check."""
        sizes = tuple(sorted(self.batch_sizes))
        if not sizes or sizes[0] < 1 or len(set(sizes)) != len(sizes):
            raise UsageError(
                "the batch sizes are not usable", repr(self.batch_sizes), "give different positive integers"
            )
        if self.default not in sizes:
            raise UsageError("the default batch size is none of the sizes", f"{self.default!r} of {sizes}", "add it")
        if self.max_epochs < 1:
            raise UsageError("max_epochs is not usable", repr(self.max_epochs), "give at least 1")
        object.__setattr__(self, "batch_sizes", sizes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "batch_sizes": list(self.batch_sizes),
            "default": self.default,
            "max_epochs": self.max_epochs,
            "eta": self.cost.eta,
            "max_power_w": self.cost.max_power_w,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        cost = ZeusCost(document["eta"], document["max_power_w"])
        return cls(tuple(document["batch_sizes"]), document["default"], document["max_epochs"], cost)


@dataclass(frozen=True, slots=True)
class Trial:
    """What to run.

    Attributes:
        number: Counted from 1 within the job, without gaps.
        batch_size: The size to train with.
        kind: Why it runs.
        reason: The same in words, for people.
        stop_at_cost: Stop before the epoch with which the cost, each epoch at the cheapest limit, would pass this
            (same unit as the job's cost) unless the target is reached; None: run on.
        retry_of: The trial whose work this one does again, or None.
        least_epochs: Run at least so many epochs, whatever they cost: what an epoch costs is known after the first.
    """

    number: int
    batch_size: int
    kind: Kind
    reason: str
    stop_at_cost: float | None = None
    retry_of: int | None = None
    least_epochs: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a trial so far (`Policy.progress`) or altogether (`Policy.tell`).

    Attributes:
        trial: Its number.
        epochs: Epochs run, whole or not.
        time_s: Time of all of them [s].
        energy_j: Energy of all of them [J].
        rates: What an epoch takes at each limit, as measured in this trial; empty if not measured.
        end: How it ended; None while it runs.
    """

    trial: int
    epochs: float
    time_s: float
    energy_j: float
    rates: Sequence[EpochRate] = field(default=())
    end: End | None = None

    def __post_init__(self) -> None:
        """Refuse amounts that cannot be."""
        for name in ("epochs", "time_s", "energy_j"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise UsageError(f"{name} of a trial is not usable", repr(value), "give a finite number >= 0")


class Policy(Protocol):
    """A decider of a recurring job's batch size; see the module."""

    @property
    def spec(self) -> JobSpec:
        """The job."""

    def ask(self, retry_of: int | None = None) -> Trial:
        """What to run next; tries again for ``retry_of``."""

    def progress(self, report: Report) -> float | None:
        """The bound of a trial under way, given what is known of it by now; as ``Trial.stop_at_cost``."""

    def tell(self, report: Report) -> bool:
        """How a trial ended. Returns whether this was news: duplicates, and reports of what is over, are not."""

    def best(self) -> int:
        """The batch size to use if nothing else is to be learned."""

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, its random generator included, as JSON."""


def best_rate(rates: Sequence[EpochRate], cost: Objective) -> EpochRate:
    """The rate whose epoch costs least; the first of several.

    Source:
        Zeus (NSDI'23), equation 7: the power limit can be chosen for each batch size alone.
    """
    return min(rates, key=lambda rate: epoch_cost(rate, cost))


def epoch_cost(rate: EpochRate, cost: Objective) -> float:
    """Cost of an epoch, in the unit of ``cost``."""
    return cost_of(rate.epoch_s, rate.epoch_j, cost)


def cost_of(time_s: float, energy_j: float, cost: Objective) -> float:
    """Cost of one (time, energy)."""
    return float(cost(np.array([time_s]), np.array([energy_j]))[0])
