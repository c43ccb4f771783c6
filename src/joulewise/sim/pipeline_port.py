"""A hub of pipelines in this process: what a `HubLink` asks goes straight to the hub's own code, on a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from joulewise.clock import Clock
from joulewise.errors import UsageError
from joulewise.jobs.database import Database
from joulewise.jobs.hub import NotFoundError
from joulewise.pipelines.hub import PipelineHub
from joulewise.pipelines.planning import plan_job
from joulewise.runtime.hub_client import HubAwayError, RefusedError, UnknownToHubError
from joulewise.wire.pipeline_hub import Beat, Orders, PipelineJob, PipelineProfile, open_record

T = TypeVar("T")


class NearPipelineHub:
    """A port (`joulewise.runtime.pipeline.hub_port.PipelinePort`) without a network.

    Args:
        where: Path of its database.
        clock: Time.

    Attributes:
        hub: The hub.
        away: Whether it cannot be asked, for the time being.
    """

    def __init__(self, where: str, clock: Clock) -> None:
        """Open the database."""
        self.hub = PipelineHub(Database(where), clock, lambda: clock.now_ns() * 1e-9)
        self.away = False

    def close(self) -> None:
        """Close the database."""
        self.hub.store.database.close()

    def describe(self, job_id: str, job: PipelineJob) -> Orders:
        """See `PipelinePort`."""
        return self._reach(lambda: self.hub.describe(job_id, job))

    def upload(self, job_id: str, profile: PipelineProfile) -> Orders:
        """See `PipelinePort`."""
        return self._reach(lambda: self.hub.hear_profile(job_id, profile))

    def beat(self, job_id: str, beat: Beat) -> Orders:
        """See `PipelinePort`."""
        return self._reach(lambda: open_record(Orders, json.loads(self.hub.hear_beat(job_id, beat))))

    def schedule(self, job_id: str, plan: str, rank: int) -> Mapping[str, Any]:
        """See `PipelinePort`."""
        document: Mapping[str, Any] = self._reach(lambda: json.loads(self.hub.schedule(job_id, plan, rank)))
        return document

    def plan(self) -> None:
        """Plan what is to be planned, here and now."""
        while (claimed := self.hub.claim("near")) is not None:
            state, job, profile = claimed
            made = plan_job(open_record(PipelineJob, job), open_record(PipelineProfile, profile))
            self.hub.end_planning(state, "near", made, "")

    def _reach(self, act: Callable[[], T]) -> T:
        if self.away:
            raise HubAwayError("the hub cannot be asked", "away", "wait")
        try:
            return act()
        except NotFoundError as error:
            raise UnknownToHubError(error.what, error.seen, error.fix) from error
        except HubAwayError:
            raise
        except UsageError as error:
            raise RefusedError(error.what, error.seen, error.fix) from error
