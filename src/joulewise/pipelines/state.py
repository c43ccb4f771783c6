"""What is remembered of a job, as frozen records that go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from joulewise.wire.pipeline_hub import PipelineJob, StragglerNotice


class Origin(StrEnum):
    """How we know of a straggler."""

    TOLD = "told"
    DETECTED = "detected"


@dataclass(frozen=True, slots=True)
class Straggler:
    """A replica that is slow.

    Attributes:
        id: Of the notice.
        replica: Which.
        factor: How many times as long as planned its iterations take.
        origin: How we know.
        since: When we were told [s since 1970, UTC].
        until: When it is over by itself [s since 1970, UTC], or None.
        notice: What we were told, or None.
    """

    id: str
    replica: int
    factor: float
    origin: Origin
    since: float
    until: float | None = None
    notice: StragglerNotice | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job.

    Attributes:
        id: Chosen by its client.
        job: As it was described last.
        version: Counted from 1; every change adds one.
        generation: How many topologies it has had.
        round: How many different profiles were uploaded, over all generations.
        digest: Of the last profile, or nothing in a generation that has none yet.
        planned_round: Round of the plans that are followed, or 0.
        failure: Why the last round has no plans, or nothing.
        drift: Median of the time of healthy replicas over what was planned, if it does not hold any more; else 1.
        stragglers: Those known, by id.
        created_at, updated_at: When [s since 1970, UTC].
    """

    id: str
    job: PipelineJob
    version: int
    generation: int
    created_at: float
    updated_at: float
    round: int = 0
    digest: str = ""
    planned_round: int = 0
    failure: str = ""
    drift: float = 1.0
    stragglers: tuple[Straggler, ...] = ()

    @property
    def phase(self) -> str:
        """What happens to it: a plan that there is stays in force while the next one is made."""
        if self.planned_round:
            return "planned"
        if not self.digest:
            return "profiling"
        return "failed" if self.failure else "planning"

    @property
    def is_to_be_planned(self) -> bool:
        """Whether its last profile has no plans yet."""
        return bool(self.digest) and not self.failure and self.planned_round < self.round

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> JobState:
        """The inverse of `to_dict`."""
        stragglers = tuple(
            Straggler(
                **{
                    **one,
                    "origin": Origin(one["origin"]),
                    "notice": None if one["notice"] is None else StragglerNotice(**one["notice"]),
                }
            )
            for one in document["stragglers"]
        )
        return cls(**{**document, "job": PipelineJob(**document["job"]), "stragglers": stragglers})
