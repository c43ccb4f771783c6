"""All that a hub remembers of recurring jobs as JSON lines, and back: to move to another database, or to look at it.

The first line says what the file is; each job is a line, followed by its trials, observations and events. Tokens are
left out. What is read is checked before it is written, one job at a time; a job that is there already is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

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


class Group(Protocol):
    """Rows that belong together: what one line begins, and the lines that follow."""

    id: str

    def add(self, kind: str, row: dict[str, Any]) -> None:
        """Take one of its rows."""

    def write(self) -> bool:
        """Check, and write all or nothing; False if it is there already."""


def export_lines(store: Store) -> Iterator[str]:
    """Every line, without its end; a job with its rows is of one moment only if nothing is written meanwhile."""
    yield line({"schema": schema_tag(DOCUMENT, VERSION)})
    after = ""
    while page := store.jobs(after=after):
        for job in page:
            yield from _job_lines(store, job)
        after = page[-1].id


def _job_lines(store: Store, job: Job) -> Iterator[str]:
    yield line({"row": "job", **asdict(job)})
    trials = [row for row in store.all_trials(job.id) if row.number <= job.trials]
    events = [one for one in store.all_events(job.id) if one.seq <= job.seq]
    for row in trials:
        yield line({"row": "trial", **asdict(row)})
    after = 0
    while page := store.observations(job.id, after=after, limit=PAGE):
        last = page[-1].trial
        whole = [one for one in page if one.trial < last] or store.observations(job.id, last, limit=1_000_000)
        for one in whole:
            yield line({"row": "observation", **asdict(one)})
        after = whole[-1].trial
    for event in events:
        yield line({"row": "event", "job": job.id, **asdict(event)})


def import_lines(
    store: Store,
    lines: Iterable[str],
    file: str = "import",
    others: Mapping[str, Callable[[dict[str, Any]], Group]] = MappingProxyType({}),
) -> Imported:
    """Read what `export_lines` wrote.

    Args:
        store: Where to.
        lines: The lines.
        file: What messages call the file.
        others: What makes groups of other rows that begin one, by their kind.

    Raises:
        InputFileError: If a line is not usable; groups before it have been added.
    """
    added: list[str] = []
    known: list[str] = []
    begins: dict[str, Callable[[dict[str, Any]], Group]] = {"job": partial(_Parts, store), **others}
    group: Group | None = None
    number = 0

    def end() -> None:
        if group is not None:
            (added if group.write() else known).append(group.id)

    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            document = json.loads(text)
            if number == 1:
                open_envelope(document, DOCUMENT, VERSION)
                continue
            kind = document.pop("row")
            if kind in begins:
                end()
                group = begins[kind](document)
            elif group is None:
                raise UsageError("rows before the first job", str(kind)[:80], "give the whole file")
            else:
                group.add(kind, document)
        if not number:
            raise UsageError("the file is empty", "no line", "give what joulewise hub export wrote")
        end()
    except (ValueError, KeyError, TypeError) as error:
        fix = "give what joulewise hub export wrote"
        raise InputFileError(
            file, number, "this is no export of a hub", f"{type(error).__name__}: {error}", fix
        ) from error
    return Imported(tuple(added), tuple(known))


class _Parts:
    """A job with its rows, as it is read."""

    def __init__(self, store: Store, job: dict[str, Any]) -> None:
        self._store = store
        self._job = Job(**{**job, "description": JobDescription.from_dict(job["description"])})
        self.id = self._job.id
        self._trials: list[TrialRow] = []
        self._observations: list[Observation] = []
        self._events: list[Event] = []

    def add(self, kind: str, row: dict[str, Any]) -> None:
        """Take one of its rows."""
        if kind == "trial":
            self._trials.append(TrialRow(**{**row, "rates": tuple(row["rates"])}))
        elif kind == "observation":
            self._observations.append(Observation(**row))
        elif kind == "event":
            self._events.append(Event(row["seq"], row["at"], EventKind(row["kind"]), row["body"]))
        else:
            raise UsageError("a row is of another kind", str(kind)[:80], "give the file as it was written")

    def write(self) -> bool:
        """Check that rows do not contradict one another, and write all or nothing; False if it is there already."""
        job = self._job
        if [one.seq for one in self._events] != list(range(1, job.seq + 1)):
            raise UsageError("events of a job are missing", f"{len(self._events)} of {job.seq}", "give the whole file")
        if [row.number for row in self._trials] != list(range(1, job.trials + 1)):
            seen = f"{len(self._trials)} of {job.trials}"
            raise UsageError("trials of a job are missing", seen, "give the whole file")
        known = load_policy(
            job.policy
        )  # events are not folded: a later release may decide otherwise, and go on from this
        if known.ledger.handed_out != job.trials or known.spec != spec_of(job.description):
            raise UsageError("what a job knows is not of that job", job.id, "give the file as it was written")
        return insert_all(self._store, job, self._trials, self._observations, self._events)


def line(document: Mapping[str, Any]) -> str:
    """One line, without its end."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
