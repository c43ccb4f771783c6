"""Jobs, trials and frontiers as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from joulewise.frontier import Frontier
from joulewise.jobs.core import answer_job
from joulewise.jobs.policies import frontier_of
from joulewise.jobs.rows import Event, Job, TrialRow
from joulewise.jobs.store import Store
from joulewise.records import Provenance


def job_to_dict(job: Job, trials: Sequence[TrialRow] = ()) -> dict[str, Any]:
    """A job as JSON, without what its policy knows."""
    own = {key: value for key, value in asdict(job).items() if key != "policy"}
    known = {"id": job.id, "best": answer_job(job).best, **own}
    return known | ({"last_trials": [asdict(row) for row in trials]} if trials else {})


def job_table(jobs: Sequence[Job]) -> str:
    """Jobs, one a line."""
    rows = [("id", "name", "best size", "trials", "last change", "on")]
    for job in jobs:
        known, when = job.description, datetime.fromtimestamp(job.updated_at, UTC)
        device = f"{known.device} x{known.device_count}" if known.device_count > 1 else known.device or "-"
        best = str(answer_job(job).best)
        rows.append((job.id[:8], known.name, best, str(job.trials), f"{when:%Y-%m-%d %H:%M} UTC", device))
    return _aligned(rows)


def job_text(job: Job, trials: Sequence[TrialRow]) -> str:
    """A job and its last trials."""
    known = job.description
    targets = ", ".join(f"{one.metric} {'>=' if one.higher_is_better else '<='} {one.value:g}" for one in known.targets)
    head = [
        f"{known.name} ({job.id}): {job.trials} trials, best batch size {answer_job(job).best}",
        f"until {targets}, at most {known.max_epochs} epochs; eta {known.eta:g}; policy {known.policy}",
    ]
    if job.parent is not None:
        head.append(f"began with what {job.parent} knew")
    rows = [("trial", "size", "end", "epochs", "time s", "energy J", "why this size")]
    for row in trials:
        energy = f"{row.energy_j:.6g}" if row.energy_j else "-"  # nothing tells it
        energy += " (simulated)" if row.provenance == "simulated" else ""
        end = row.end or "open"
        rows.append(
            (str(row.number), str(row.batch_size), end, f"{row.epochs:g}", f"{row.time_s:.6g}", energy, row.reason)
        )
    return "\n".join([*head, "", _aligned(rows)] if trials else head)


def event_lines(events: Iterable[Event], *, as_json: bool) -> Iterator[str]:
    """What happened, one a line."""
    for event in events:
        if as_json:
            yield json.dumps(asdict(event), sort_keys=True)
            continue
        when = datetime.fromtimestamp(event.at, UTC)
        yield f"{event.seq:>6}  {when:%Y-%m-%d %H:%M:%S}  {event.kind:<10}  {_said(event)}"


def _said(event: Event) -> str:
    body = event.body
    trial = body.get("trial")
    if isinstance(trial, dict):
        return f"trial {trial['number']}: batch size {trial['batch_size']}, {trial['kind']}: {trial['reason']}"
    if trial is None:
        return f"with what {body['parent']} knew" if body.get("parent") else "knowing nothing"
    return f"trial {trial}: {body['end'] or 'goes on'} after {body['epochs']:g} epochs, {body['time_s']:.6g} s"


def frontier_of_job(store: Store, job: Job) -> Frontier:
    """The frontier of a job."""
    return frontier_of(job.policy, Provenance.weakest(map(Provenance, store.provenances(job.id))))


def frontier_table(frontier: Frontier) -> str:
    """A frontier over (batch size, power limit)."""
    rows = [("time to target s", "energy to target J", "size", "limit W", "figures")]
    for point in frontier:
        size, limit_w = point.setting if isinstance(point.setting, tuple) else (point.setting, None)
        limit = "-" if limit_w is None else f"{limit_w:g}"
        energy = f"{point.energy_j:.6g}" if point.energy_j else "-"
        rows.append((f"{point.time_s:.6g}", energy, str(size), limit, str(point.provenance)))
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
