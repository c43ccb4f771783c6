"""What the ranks of a pipeline ask of a hub, near or far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from joulewise.errors import UsageError
from joulewise.runtime.hub_client import HttpHub, HubAwayError
from joulewise.wire.envelope import open_envelope
from joulewise.wire.pipeline_hub import PATH, Beat, Orders, PipelineJob, PipelineProfile, dump_record, open_record


class PipelinePort(Protocol):
    """A hub; each call ends within a time, and fails as `joulewise.runtime.hub_client` says."""

    def describe(self, job_id: str, job: PipelineJob) -> Orders:
        """Make a job known."""

    def upload(self, job_id: str, profile: PipelineProfile) -> Orders:
        """Say what ranks found out about themselves."""

    def beat(self, job_id: str, beat: Beat) -> Orders:
        """Say how a process gets on."""

    def schedule(self, job_id: str, plan: str, rank: int) -> Mapping[str, Any]:
        """What a plan says to a rank: a document as in docs/reference/plan-format.md."""


class HttpPipelineHub(HttpHub):
    """A hub over HTTP; arguments as those of `joulewise.runtime.hub_client.HttpHub`."""

    def describe(self, job_id: str, job: PipelineJob) -> Orders:
        """See `PipelinePort`."""
        return self._orders("PUT", _path(job_id), dump_record(job))

    def upload(self, job_id: str, profile: PipelineProfile) -> Orders:
        """See `PipelinePort`."""
        return self._orders("PUT", f"{_path(job_id)}/profile", dump_record(profile))

    def beat(self, job_id: str, beat: Beat) -> Orders:
        """See `PipelinePort`."""
        return self._orders("POST", f"{_path(job_id)}/beats", dump_record(beat))

    def schedule(self, job_id: str, plan: str, rank: int) -> Mapping[str, Any]:
        """See `PipelinePort`."""
        found = self._call("GET", f"{_path(job_id)}/plans/{quote(plan, safe='')}/ranks/{rank}", None)
        if not isinstance(found, Mapping):
            raise HubAwayError("the hub gave no usable answer", type(found).__name__, "check its address")
        return found

    def show(self, job_id: str) -> Mapping[str, Any]:
        """A job as it stands: a document of `joulewise.pipelines.view`.

        Raises:
            UsageError: If the hub answers with something else.
            HubAwayError: If it cannot be asked.
        """
        return open_envelope(self._call("GET", _path(job_id), None), "pipeline_view", 1)

    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """Id, name and phase of all jobs, the latest first."""
        return list(self._call("GET", PATH, None))

    def _orders(self, method: str, path: str, body: Mapping[str, Any]) -> Orders:
        answer = self._call(method, path, body)
        try:
            return open_record(Orders, answer)
        except UsageError as error:  # an answer that is none
            raise HubAwayError(error.what, error.seen, error.fix) from error


def _path(job_id: str) -> str:
    return f"{PATH}/{quote(job_id, safe='')}"
