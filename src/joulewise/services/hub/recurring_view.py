"""What people are shown of a recurring job: its trials as recurrences, its sizes, its frontier, what runs now.

A *recurrence* is one need for a trained model: a trial, and the trials that did its work again until one reached the
targets. Its cost is that of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.frontier.objective import ZeusCost
from joulewise.jobs.core import answer_job
from joulewise.jobs.hub import Hub
from joulewise.jobs.policies import frontier_of
from joulewise.jobs.rows import Job, TrialRow
from joulewise.optimize.batch.protocol import cost_of
from joulewise.records import Provenance

WINDOW = 300
"""Most trials that a page looks at."""
LAST = 5
"""Recurrences of which the latest mean is taken."""
_EVER = 1e18


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A trial and its retries.

    Attributes:
        trials: In order.
        cost: Of all of them [J, weighted].
    """

    trials: tuple[TrialRow, ...]
    cost: float

    @property
    def last(self) -> TrialRow:
        """The trial that came last."""
        return self.trials[-1]

    @property
    def state(self) -> str:
        """``reached``, ``missed`` or ``open``."""
        return "open" if self.last.end is None else "reached" if self.last.end == "reached" else "missed"


@dataclass(frozen=True, slots=True)
class SizeView:
    """What trials at one batch size came to; means are over those that reached the targets, None without any."""

    batch_size: int
    trials: int
    reached: int
    epochs: float | None
    cost: float | None


@dataclass(frozen=True)
class RecurringView:
    """A job as people are shown it.

    Attributes:
        job: The job.
        best: The best batch size known.
        trials: Those looked at, by number.
        live: Those that go on, by number.
        frontier: Time and energy to target over (batch size, power limit), or None.
        note: Why there is none.
        provenance: The weakest of what trials told, or None if they told nothing yet.
        now: When this was looked at [s since 1970, UTC].
    """

    job: Job
    best: int
    trials: tuple[TrialRow, ...]
    live: tuple[TrialRow, ...]
    frontier: Frontier | None
    note: str
    provenance: Provenance | None
    now: float

    @cached_property
    def objective(self) -> ZeusCost:
        """What a run's cost is."""
        return ZeusCost(self.job.description.eta, self.job.description.max_power_w)

    def cost(self, row: TrialRow) -> float:
        """Cost of a trial so far [J, weighted]."""
        return cost_of(row.time_s, row.energy_j, self.objective)

    @cached_property
    def recurrences(self) -> tuple[Recurrence, ...]:
        """Those that began among the trials looked at, by their first trial."""
        chains: dict[int, list[TrialRow]] = {}
        first: dict[int, int] = {}
        for row in self.trials:
            begun = row.number if row.retry_of is None else first.get(row.retry_of)
            if begun is not None:
                first[row.number] = begun
                chains.setdefault(begun, []).append(row)
        return tuple(Recurrence(tuple(rows), sum(map(self.cost, rows))) for rows in chains.values())

    @cached_property
    def sizes(self) -> tuple[SizeView, ...]:
        """All sizes of the job, rising."""
        return tuple(self._size(size) for size in self.job.description.batch_sizes)

    def _size(self, size: int) -> SizeView:
        own = [row for row in self.trials if row.batch_size == size]
        done = [row for row in own if row.end == "reached"]
        if not done:
            return SizeView(size, len(own), 0, None, None)
        return SizeView(size, len(own), len(done), fmean(row.epochs for row in done), fmean(map(self.cost, done)))

    @cached_property
    def default_cost(self) -> float | None:
        """Mean cost of runs at the default size that reached the targets [J, weighted]; None without any."""
        return next(one.cost for one in self.sizes if one.batch_size == self.job.description.default)

    @cached_property
    def last_cost(self) -> float | None:
        """Mean cost of the latest recurrences that are over [J, weighted]; None without any."""
        done = [one.cost for one in self.recurrences if one.state == "reached"][-LAST:]
        return fmean(done) if done else None


def look(hub: Hub, text: str, before: int | None = None) -> RecurringView:
    """A job as it stands.

    Args:
        hub: Where.
        text: Its id, the beginning of that, or its name.
        before: Look at trials below this number only; None: at the latest.

    Raises:
        NotFoundError: If there is no such job.
    """
    found = hub.find(text)
    current, _, _, live = hub.store.read(found.id, overdue_at=_EVER)
    job = current or found
    end = job.trials + 1 if before is None else min(before, job.trials + 1)
    trials = hub.store.trials(job.id, max(0, end - 1 - WINDOW), min(WINDOW, max(1, end - 1)))
    told = [Provenance(one) for one in hub.store.provenances(job.id)]
    provenance = Provenance.weakest(told) if told else None
    frontier, note = _frontier(job, provenance)
    shown = tuple(row for row in trials if row.number < end)
    return RecurringView(job, answer_job(job).best, shown, tuple(live), frontier, note, provenance, hub.now())


def _frontier(job: Job, provenance: Provenance | None) -> tuple[Frontier | None, str]:
    try:
        return frontier_of(job.policy, provenance or Provenance.MODELLED), ""
    except UsageError as error:
        return None, error.what


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job among others: with its latest trial if it has one, and how many go on."""

    job: Job
    best: int
    latest: TrialRow | None
    live: int


def look_at_all(hub: Hub, after: str, limit: int) -> tuple[Sequence[JobLine], str | None]:
    """Jobs whose id is behind another's, the latest first; and behind which one there are more, or None."""
    jobs = hub.store.jobs(None, after, limit + 1)
    lines = []
    for job in jobs[:limit]:
        latest = hub.store.trials(job.id, job.trials - 1, 1) if job.trials else []
        live = hub.store.read(job.id, overdue_at=_EVER)[3]
        lines.append(JobLine(job, answer_job(job).best, latest[0] if latest else None, len(live)))
    more = jobs[limit - 1].id if len(jobs) > limit else None
    return sorted(lines, key=lambda line: line.job.updated_at, reverse=True), more
