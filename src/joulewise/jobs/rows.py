"""What is remembered of a job, as frozen rows: what the core is given and gives back, and what the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from joulewise.wire.hub import JobDescription


class EventKind(StrEnum):
    """What can happen to a job's policy; folding its events over a new policy gives it back."""

    CREATED = "created"
    """With what it began: nothing, or what a relative knew."""
    ASKED = "asked"
    """It was asked for a trial, and decided."""
    ADOPTED = "adopted"
    """A trial was added that it had not been asked for, since it could not be reached."""
    PROGRESSED = "progressed"
    """It was told of a trial under way, and learned from that."""
    TOLD = "told"
    """It was told how a trial ended."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job's policy.

    Attributes:
        seq: Counted from 1 within the job, without gaps.
        at: When [s since 1970, UTC].
        kind: What.
        body: What it takes to do it again, and what came of it.
    """

    seq: int
    at: float
    kind: EventKind
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        description: What it is.
        policy: Its policy, as `dump_policy` writes it.
        seq: Number of its last event; the version of the row.
        created_at, updated_at: When [s since 1970, UTC].
        parent: The job whose knowledge it started with, or None.
        trials: How many trials it has had.
    """

    description: JobDescription
    policy: str
    seq: int
    created_at: float
    updated_at: float
    parent: str | None = None
    trials: int = 0

    @property
    def id(self) -> str:
        """Its id."""
        return self.description.id


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial.

    Attributes:
        job, number: Which.
        id: As its client made it.
        version: Of the row; whoever changes it must have seen the last one.
        batch_size, kind, reason, stop_at_cost, least_epochs, retry_of: As in `joulewise.optimize.batch.protocol.Trial`.
        client: Who runs it.
        started_at, updated_at: When [s since 1970, UTC].
        lease_s, lease_until: It is taken to be lost if nothing is heard of it for so long, or until then.
        reports: Number of its last report.
        epochs, time_s, energy_j, metrics, rates, provenance, note: As last reported.
        end: How it ended, or None.
    """

    job: str
    number: int
    id: str
    version: int
    batch_size: int
    kind: str
    reason: str
    stop_at_cost: float | None
    least_epochs: int
    retry_of: int | None
    client: str
    started_at: float
    updated_at: float
    lease_s: float
    lease_until: float
    reports: int = 0
    epochs: float = 0.0
    time_s: float = 0.0
    energy_j: float = 0.0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    rates: tuple[Mapping[str, Any], ...] = ()
    provenance: str = "measured"
    note: str = ""
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One report of a trial, as it came: ``number`` and what `joulewise.wire.hub.TrialReport` holds, but rates."""

    job: str
    trial: int
    number: int
    at: float
    epochs: float
    time_s: float
    energy_j: float
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Change:
    """What is to be written, all or nothing.

    Attributes:
        job: The job as it becomes, or None if it stays as it is.
        seen_seq: The version of the job that this follows from; 0 if it is new.
        trials: Trials as they become; of version 1 if new, else each follows from the version below.
        observations, events: To be added.
    """

    job: Job | None = None
    seen_seq: int = 0
    trials: tuple[TrialRow, ...] = ()
    observations: tuple[Observation, ...] = ()
    events: tuple[Event, ...] = ()
