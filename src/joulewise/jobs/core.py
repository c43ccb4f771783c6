"""The hub's mind: what happened goes in, what is to be written and answered comes out; no clock, no file, no network.

Theory of operation
-------------------
Of a job there is a *policy* (`joulewise.optimize.batch`), which decides, and an append-only list of *events*. All that
changes a policy is an event, and `apply` is the one function that does it, today and when events are folded over a new
policy; so the policy that is stored is a cache of its events, and `fold` checks that.

A trial is opened under an id that its client made, so that asking twice is asking once. It lives on a lease that every
report and heartbeat renews. Whoever asks for a trial first has those whose lease is over told as expired. Reports of a
trial that expired are accepted like any others; its true end replaces the expiry.

What a report says of the end is not taken on trust: a trial has *reached* if its metrics, in this report or one before,
met all targets, even if its client says that it crashed afterwards or was stopped; and only then. A run that went to
max_epochs without it has *missed*, whatever it says of itself. The first true end stands.

Functions return a `Change`; whoever writes it makes sure that nothing has changed since what they were given was read,
and else asks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from joulewise.errors import UsageError
from joulewise.jobs.bound import passes_bound
from joulewise.jobs.policies import (
    Inheriting,
    Recorded,
    dump_policy,
    identity_of,
    load_policy,
    new_policy,
    reached,
    spec_of,
)
from joulewise.jobs.rows import Change, Event, EventKind, Job, Observation, TrialRow
from joulewise.optimize.batch.protocol import End, EpochRate, Kind, Report, Trial
from joulewise.wire.hub import Assignment, JobAnswer, JobDescription, TrialReport, TrialRequest, Verdict

ADOPTED_REASON = "chosen by the client, which could not ask"


def apply(policy: Recorded, kind: EventKind, body: Mapping[str, Any]) -> Trial | float | bool | None:
    """Let one event happen to a policy; what it answers.

    Raises:
        UsageError: If it cannot happen.
    """
    if kind is EventKind.ASKED:
        return policy.ask(body["retry_of"])
    if kind is EventKind.ADOPTED:
        if body["batch_size"] not in policy.spec.batch_sizes:
            seen = f"{body['batch_size']} of {list(policy.spec.batch_sizes)}"
            raise UsageError("a trial ran at a size that the job has not", seen, "choose among the job's sizes")
        return policy.ledger.open(body["batch_size"], Kind.CONCURRENT, ADOPTED_REASON, retry_of=body["retry_of"])
    report = Report(
        body["trial"],
        body["epochs"],
        body["time_s"],
        body["energy_j"],
        tuple(EpochRate(**rate) for rate in body["rates"]),
        None if body["end"] is None else End(body["end"]),
    )
    return policy.progress(report) if kind is EventKind.PROGRESSED else policy.tell(report)


def fold(events: Iterable[Event]) -> str:
    """The policy, as `dump_policy` writes it, that a job's events lead to.

    Raises:
        UsageError: If they do not begin with the job's creation.
    """
    policy: Recorded | None = None
    for event in events:
        if event.kind is EventKind.CREATED:
            policy = load_policy(event.body["policy"])
        elif policy is None:
            raise UsageError("the events of a job have no beginning", f"event {event.seq}", "fold all of them")
        else:
            apply(policy, event.kind, event.body)
    if policy is None:
        raise UsageError("the events of a job have no beginning", "no event", "fold all of them")
    return dump_policy(policy)


class _Turn:
    """One transaction on a job: its policy, what is to be written so far, and the time."""

    def __init__(self, job: Job, now: float) -> None:
        self.job, self.now = job, now
        self.policy = load_policy(job.policy)
        self.events: list[Event] = []
        self.trials: dict[int, TrialRow] = {}

    def happen(self, kind: EventKind, body: Mapping[str, Any]) -> Any:
        answer = apply(self.policy, kind, body)
        noted = dict(body)
        if isinstance(answer, Trial):
            noted |= {"trial": asdict(answer) | {"kind": str(answer.kind)}}
        else:
            noted |= {"answer": answer}
        self.events.append(Event(self.job.seq + len(self.events) + 1, self.now, kind, noted))
        return answer

    def expire(self, overdue: Iterable[TrialRow]) -> None:
        for row in overdue:
            if row.end is None and row.lease_until <= self.now:
                self.happen(EventKind.TOLD, _report_body(row, "expired"))
                self.write(row, end="expired")

    def write(self, row: TrialRow, **fields: Any) -> TrialRow:
        after = replace(row, version=row.version + 1, updated_at=self.now, **fields)
        self.trials[row.number] = after
        return after

    def change(self, observations: tuple[Observation, ...] = ()) -> Change:
        if not self.events:
            return Change(None, self.job.seq, tuple(self.trials.values()), observations)
        after = replace(
            self.job,
            policy=dump_policy(self.policy),
            seq=self.job.seq + len(self.events),
            updated_at=self.now,
            trials=self.policy.ledger.handed_out,
        )
        return Change(after, self.job.seq, tuple(self.trials.values()), observations, tuple(self.events))


def create_job(description: JobDescription, relatives: Sequence[Job], now: float) -> tuple[Change, JobAnswer]:
    """Begin a job, with what the closest of its relatives knows if there is one.

    Args:
        description: The job.
        relatives: Other jobs of its family.
        now: The time [s since 1970, UTC].

    Raises:
        UsageError: If its policy is not known.
    """
    policy, parent = new_policy(description), closest(description, relatives)
    if parent is not None:
        knows = load_policy(parent.policy)
        if isinstance(knows, Inheriting) and isinstance(policy, type(knows)):
            ours, theirs = identity_of(description), identity_of(parent.description)
            same_target = ours.learning_problem == theirs.learning_problem
            same_device = ours.device == theirs.device
            policy = knows.inherit(spec_of(description), same_target=same_target, same_device=same_device)
        else:
            parent = None
    text, parent_id = dump_policy(policy), None if parent is None else parent.id
    event = Event(1, now, EventKind.CREATED, {"policy": text, "parent": parent_id})
    job = Job(description, text, 1, now, now, parent_id)
    return Change(job, 0, events=(event,)), JobAnswer(job.id, True, policy.best(), parent_id)


def closest(description: JobDescription, relatives: Sequence[Job]) -> Job | None:
    """The relative whose knowledge is worth most: of the same targets, then devices, then with the most trials."""

    ours, sizes = identity_of(description), set(description.batch_sizes)

    def worth(job: Job) -> tuple[bool, bool, int, float]:
        other = identity_of(job.description)
        return other.learning_problem == ours.learning_problem, other.device == ours.device, job.trials, job.updated_at

    able = [
        job
        for job in relatives
        if job.trials
        and job.description.policy == description.policy
        and job.id != description.id
        and sizes & set(job.description.batch_sizes)
    ]
    return max(able, key=worth, default=None)


def answer_job(job: Job) -> JobAnswer:
    """What is said of a job that is known."""
    return JobAnswer(job.id, False, load_policy(job.policy).best(), job.parent)


def open_trial(
    job: Job, trial_id: str, request: TrialRequest, *, retry_of: int | None, overdue: Sequence[TrialRow], now: float
) -> tuple[Change, Assignment]:
    """Decide what to run next.

    Args:
        job: The job.
        trial_id: The client's id of the trial; no trial has it yet.
        request: What the client asks for.
        retry_of: Number of the trial that is done again, or None.
        overdue: Trials whose lease may be over.
        now: The time [s since 1970, UTC].

    Raises:
        UsageError: If the client has run a size that the job has not.
    """
    turn = _Turn(job, now)
    turn.expire(overdue)
    if request.batch_size is None:
        trial = turn.happen(EventKind.ASKED, {"id": trial_id, "retry_of": retry_of})
    else:
        body = {"id": trial_id, "retry_of": retry_of, "batch_size": request.batch_size}
        trial = turn.happen(EventKind.ADOPTED, body)
    row = TrialRow(
        job=job.id,
        number=trial.number,
        id=trial_id,
        version=1,
        batch_size=trial.batch_size,
        kind=str(trial.kind),
        reason=trial.reason,
        stop_at_cost=trial.stop_at_cost,
        least_epochs=trial.least_epochs,
        retry_of=retry_of,
        client=request.client,
        started_at=now,
        updated_at=now,
        lease_s=request.lease_s,
        lease_until=now + request.lease_s,
    )
    turn.trials[row.number] = row
    return turn.change(), assignment(row, turn.policy.best())


def assignment(row: TrialRow, best: int) -> Assignment:
    """What a client is told to run."""
    return Assignment(
        row.id, row.number, row.batch_size, row.kind, row.reason, best, row.stop_at_cost, row.least_epochs
    )


def hear_report(job: Job, row: TrialRow, report: TrialReport, now: float) -> tuple[Change, Verdict]:
    """Learn from a report. One whose number was heard before, or that comes after the end, changes nothing.

    Args:
        job: The job.
        row: The trial.
        report: The report.
        now: The time [s since 1970, UTC].
    """
    turn, before = _Turn(job, now), job.policy
    is_over = row.end not in (None, "expired")
    is_late = report.number <= row.reports and not reached(job.description, report.metrics)
    if is_over or is_late:
        return Change(), _verdict(turn, row, is_news=False)
    told: dict[str, Any] = {
        "reports": max(report.number, row.reports),
        "epochs": report.epochs,
        "time_s": report.time_s,
        "energy_j": report.energy_j,
        "metrics": report.metrics or row.metrics,
        "rates": tuple(asdict(rate) for rate in report.rates) or row.rates,
        "provenance": report.provenance,
        "note": report.note or row.note,
        "lease_until": now + row.lease_s,
        "end": true_end(job.description, report) or row.end,
    }
    after = turn.write(row, **told)
    body = _report_body(after, None)
    if after.end not in (None, "expired"):
        turn.happen(EventKind.TOLD, body | {"end": after.end})
    else:
        bound = turn.happen(EventKind.PROGRESSED, body)
        if dump_policy(turn.policy) == before:
            turn.events.clear()  # nothing was learned: the observation says it all
        if bound != after.stop_at_cost:
            after = turn.trials[row.number] = replace(after, stop_at_cost=bound)
    seen = Observation(
        job.id, row.number, report.number, now, report.epochs, report.time_s, report.energy_j, dict(report.metrics)
    )
    return turn.change((seen,)), _verdict(turn, after, is_news=True)


def true_end(description: JobDescription, report: TrialReport) -> str | None:
    """How a trial ended, as its metrics and epochs say; None if it goes on."""
    if reached(description, report.metrics):
        return str(End.REACHED)
    if report.epochs >= description.max_epochs:
        return str(End.FAILED) if report.end == End.FAILED else str(End.MISSED)
    if report.end == End.REACHED:
        fix = "report the metrics with which they were reached"
        raise UsageError("a trial says that its targets were reached, its metrics do not", str(report.metrics), fix)
    if report.end == End.MISSED:
        return str(End.STOPPED)  # it may have reached them yet
    return report.end


def expire_trials(job: Job, overdue: Sequence[TrialRow], now: float) -> Change:
    """End trials whose lease is over."""
    turn = _Turn(job, now)
    turn.expire(overdue)
    return turn.change()


def _verdict(turn: _Turn, row: TrialRow, *, is_news: bool) -> Verdict:
    rates = tuple(EpochRate(**rate) for rate in row.rates)
    is_over = row.end not in (None, "expired")
    should_stop = is_over or passes_bound(
        turn.policy.spec,
        bound=row.stop_at_cost,
        least_epochs=row.least_epochs,
        epochs=row.epochs,
        spent=(row.time_s, row.energy_j),
        rates=rates,
    )
    return Verdict(row.end, should_stop, row.stop_at_cost, turn.policy.best(), is_news)


def _report_body(row: TrialRow, end: str | None) -> dict[str, Any]:
    return {
        "trial": row.number,
        "epochs": row.epochs,
        "time_s": row.time_s,
        "energy_j": row.energy_j,
        "rates": [dict(rate) for rate in row.rates],
        "end": end,
    }
