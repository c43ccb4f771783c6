"""All that a hub remembers as JSON lines, and back: to move from one database to another, or to look at it.

The first line says what the file is; each job is a line, followed by its trials, observations and events. Tokens are
left out. What is read is checked before it is written, one job at a time; a job that is there already is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from joulewise.errors import InputFileError, UsageError
from joulewise.jobs.policies import load_policy, spec_of
from joulewise.jobs.rows import Event, EventKind, Job, Observation, TrialRow
from joulewise.jobs.store import PAGE, Store, insert_all
from joulewise.wire.envelope import open_envelope, schema_tag
from joulewise.wire.hub import JobDescription

DOCUMENT, VERSION = "hub-export", 1


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of reading: ids of jobs that were added, and of those that were there."""

    added: tuple[str, ...]
    known: tuple[str, ...]


@dataclass
class _Parts:
    """A job with its rows."""

    job: Job
    trials: list[TrialRow] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def export_lines(store: Store) -> Iterator[str]:
    """Every line, without its end; a job with its rows is of one moment only if nothing is written meanwhile."""
    yield _line({"schema": schema_tag(DOCUMENT, VERSION)})
    after = ""
    while page := store.jobs(after=after):
        for job in page:
            yield from _job_lines(store, job)
        after = page[-1].id


def _job_lines(store: Store, job: Job) -> Iterator[str]:
    yield _line({"row": "job", **asdict(job)})
    trials = [row for row in store.all_trials(job.id) if row.number <= job.trials]
    events = [one for one in store.all_events(job.id) if one.seq <= job.seq]
    for row in trials:
        yield _line({"row": "trial", **asdict(row)})
    after = 0
    while page := store.observations(job.id, after=after, limit=PAGE):
        last = page[-1].trial
        whole = [one for one in page if one.trial < last] or store.observations(job.id, last, limit=1_000_000)
        for one in whole:
            yield _line({"row": "observation", **asdict(one)})
        after = whole[-1].trial
    for event in events:
        yield _line({"row": "event", "job": job.id, **asdict(event)})


def import_lines(store: Store, lines: Iterable[str], file: str = "import") -> Imported:
    """Read what `export_lines` wrote.

    Args:
        store: Where to.
        lines: The lines.
        file: What messages call the file.

    Raises:
        InputFileError: If a line is not usable; jobs before it have been added.
    """
    added: list[str] = []
    known: list[str] = []
    parts: _Parts | None = None
    number, numbered = 0, enumerate(lines, 1)

    def add() -> None:
        if parts is not None:
            _check(parts)
            (added if insert_all(store, parts.job, parts.trials, parts.observations, parts.events) else known).append(
                parts.job.id
            )

    try:
        for number, line in numbered:
            if not line.strip():
                continue
            document = json.loads(line)
            if number == 1:
                open_envelope(document, DOCUMENT, VERSION)
                continue
            kind = document.pop("row")
            if kind == "job":
                add()
                parts = _Parts(_job(document))
            elif parts is None:
                raise UsageError("rows before the first job", kind, "give the whole file")
            else:
                _ROWS[kind](parts, document)
        if not number:
            raise UsageError("the file is empty", "no line", "give what joulewise hub export wrote")
        add()
    except (ValueError, KeyError, TypeError) as error:
        fix = "give what joulewise hub export wrote"
        raise InputFileError(
            file, number, "this is no export of a hub", f"{type(error).__name__}: {error}", fix
        ) from error
    return Imported(tuple(added), tuple(known))


def _check(parts: _Parts) -> None:
    """Refuse a job whose rows contradict one another."""
    job = parts.job
    if [one.seq for one in parts.events] != list(range(1, job.seq + 1)):
        raise UsageError("events of a job are missing", f"{len(parts.events)} of {job.seq}", "give the whole file")
    if [row.number for row in parts.trials] != list(range(1, job.trials + 1)):
        raise UsageError("trials of a job are missing", f"{len(parts.trials)} of {job.trials}", "give the whole file")
    known = load_policy(job.policy)  # events are not folded: a later release may decide otherwise, and go on from this
    if known.ledger.handed_out != job.trials or known.spec != spec_of(job.description):
        raise UsageError("what a job knows is not of that job", job.id, "give the file as it was written")


def _job(document: dict[str, Any]) -> Job:
    return Job(**{**document, "description": JobDescription.from_dict(document["description"])})


def _add_trial(parts: _Parts, document: dict[str, Any]) -> None:
    parts.trials.append(TrialRow(**{**document, "rates": tuple(document["rates"])}))


def _add_observation(parts: _Parts, document: dict[str, Any]) -> None:
    parts.observations.append(Observation(**document))


def _add_event(parts: _Parts, document: dict[str, Any]) -> None:
    parts.events.append(Event(document["seq"], document["at"], EventKind(document["kind"]), document["body"]))


_ROWS: dict[str, Callable[[_Parts, dict[str, Any]], None]] = {
    "trial": _add_trial,
    "observation": _add_observation,
    "event": _add_event,
}


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
