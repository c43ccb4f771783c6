"""The hub's mind under any interleaving of asking, reporting, repeating, losing and coming late: nothing is lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from joulewise.errors import UsageError
from joulewise.jobs import core
from joulewise.jobs.policies import load_policy
from joulewise.jobs.rows import Change, EventKind
from joulewise.wire.hub import JobDescription, Target, TrialReport, TrialRequest

ACCURACY = Target("accuracy", 0.9)
DESCRIPTION = JobDescription("nightly", (8, 16, 32, 64), 32, (ACCURACY,), 8, 0.5, 250.0)
OVER = (None, "expired")


class Memory:
    """What a store keeps of one job, and how it refuses what does not follow from it."""

    def __init__(self, description=DESCRIPTION, relatives=()):
        self.job, self.trials, self.observations, self.events = None, {}, {}, []
        self.write(core.create_job(description, relatives, 0.0)[0])

    def write(self, change):
        """As the store does: all or nothing, and nothing if something has changed since."""
        if change.job is not None:
            assert change.seen_seq == (0 if self.job is None else self.job.seq)
            self.job = change.job
        for row in change.trials:
            assert row.version == (1 if row.number not in self.trials else self.trials[row.number].version + 1)
            self.trials[row.number] = row
        for one in change.observations:
            assert (one.trial, one.number) not in self.observations
            self.observations[one.trial, one.number] = one
        for event in change.events:
            json.dumps(event.body, allow_nan=False)
            self.events.append(event)

    def open(self, trial, now, retry_of=None, **fields):
        overdue = [row for row in self.trials.values() if row.end is None and row.lease_until <= now]
        change, answer = core.open_trial(
            self.job, trial, TrialRequest(**fields), retry_of=retry_of, overdue=overdue, now=now
        )
        self.write(change)
        return answer

    def report(self, number, report, now):
        change, verdict = core.hear_report(self.job, self.trials[number], report, now)
        self.write(change)
        return verdict


def made(number, epochs, *, accuracy=None, end=None):
    metrics = {} if accuracy is None else {"accuracy": accuracy}
    return TrialReport(number, epochs, 10.0 * epochs, 2000.0 * epochs, metrics, end=end)


class Interleavings(RuleBasedStateMachine):
    """Clients that ask, report, repeat themselves, die, come back late, or ran on their own."""

    policy = "curves"
    trials = Bundle("trials")

    def __init__(self):
        super().__init__()
        self.now, self.said, self.reached = 0.0, {}, set()

    @initialize()
    def begin(self):
        self.memory = Memory(replace(DESCRIPTION, policy=self.policy))

    @rule(target=trials, lease_s=st.sampled_from([5.0, 50.0]), retry=st.booleans())
    def ask(self, lease_s, retry):
        count = len(self.memory.trials)
        answer = self.memory.open(
            f"trial-{count:04}", self.now, retry_of=count or None if retry else None, lease_s=lease_s
        )
        assert answer.number == count + 1
        assert answer.batch_size in DESCRIPTION.batch_sizes
        assert not [r for r in self.memory.trials.values() if r.end is None and r.lease_until <= self.now]
        return answer.number

    @rule(target=trials, size=st.sampled_from(DESCRIPTION.batch_sizes))
    def adopt(self, size):
        answer = self.memory.open(f"trial-{len(self.memory.trials):04}", self.now, batch_size=size)
        assert answer.batch_size == size
        return answer.number

    @rule(size=st.sampled_from([7, 128]))
    def refuse_unknown_size(self, size):
        with pytest.raises(UsageError, match="the job has not"):
            self.memory.open("trial-x", self.now, batch_size=size)

    @rule(trial=trials, accuracy=st.sampled_from([None, 0.2, 0.95]), end=st.sampled_from([None, "failed", "killed"]))
    def report(self, trial, accuracy, end):
        row = self.memory.trials[trial]
        report = made(row.reports + 1, min(8.0, row.epochs + 1), accuracy=accuracy, end=end)
        self.hear(trial, report)
        self.said.setdefault(trial, []).append(report)

    @rule(trial=trials, which=st.integers(0, 20))
    def repeat(self, trial, which):
        """A duplicate: a retry of the client, or of a proxy."""
        if trial in self.said:
            before = self.memory.job, dict(self.memory.trials)
            report = self.said[trial][which % len(self.said[trial])]
            verdict = self.hear(trial, report)
            assert not verdict.is_news
            assert before == (self.memory.job, self.memory.trials)

    @rule(trial=trials, accuracy=st.sampled_from([0.2, 0.95]))
    def overtaken(self, trial, accuracy):
        """A report that comes after a later one; if it says that the target was reached, that is heard."""
        row = self.memory.trials[trial]
        if row.reports > 1 and row.end in OVER and (trial, row.reports - 1) not in self.memory.observations:
            self.hear(trial, made(row.reports - 1, row.epochs, accuracy=accuracy))

    @rule(trial=trials)
    def skip(self, trial):
        """One report got lost; the next says all."""
        row = self.memory.trials[trial]
        self.hear(trial, made(row.reports + 2, min(8.0, row.epochs + 2)))

    @rule(step_s=st.sampled_from([1.0, 10.0, 100.0]))
    def time_passes(self, step_s):
        self.now += step_s

    @rule()
    def sweep(self):
        overdue = [row for row in self.memory.trials.values() if row.end is None]
        self.memory.write(core.expire_trials(self.memory.job, overdue, self.now))

    @rule()
    def restart(self):
        """Whatever was in memory is gone; what was written is enough."""
        self.memory.job = replace(self.memory.job, policy=core.fold(self.memory.events))

    def hear(self, trial, report):
        was = self.memory.trials[trial].end
        verdict = self.memory.report(trial, report, self.now)
        if was in OVER and ACCURACY.value <= (report.metrics.get("accuracy") or 0.0):
            self.reached.add(trial)
        assert verdict.best in DESCRIPTION.batch_sizes
        return verdict

    @invariant()
    def nothing_is_lost(self):
        if not hasattr(self, "memory"):
            return
        memory = self.memory
        assert list(memory.trials) == list(range(1, len(memory.trials) + 1))
        assert [event.seq for event in memory.events] == list(range(1, memory.job.seq + 1))
        assert core.fold(memory.events) == memory.job.policy
        for number, row in memory.trials.items():
            assert (row.end == "reached") == (number in self.reached)
        ends = [e.body["trial"] for e in memory.events if e.kind is EventKind.TOLD and e.body["end"] != "expired"]
        assert sorted(ends) == sorted(n for n, row in memory.trials.items() if row.end not in OVER)  # each once
        policy = load_policy(memory.job.policy)
        open_ = {number for number, row in memory.trials.items() if row.end is None}
        assert set(policy.ledger.under_way) == open_
        reached = {memory.trials[number].batch_size for number in self.reached}
        assert policy.best() in reached or (not reached and policy.best() in DESCRIPTION.batch_sizes)


class ZeusInterleavings(Interleavings):
    policy = "zeus"


QUICK = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestInterleavings = pytest.mark.filterwarnings("error")(Interleavings.TestCase)
TestInterleavings.settings = QUICK
TestZeusInterleavings = ZeusInterleavings.TestCase
TestZeusInterleavings.settings = QUICK


def test_report_that_says_nothing_new_writes_nothing():
    memory = Memory()
    memory.open("trial-1", 0.0)
    memory.report(1, made(1, 1.0), 1.0)
    change, verdict = core.hear_report(memory.job, memory.trials[1], made(1, 1.0), 2.0)
    assert change == Change()
    assert not verdict.is_news


def test_runs_past_their_epochs_have_missed_whatever_they_say():
    memory = Memory()
    memory.open("trial-1", 0.0)
    assert memory.report(1, made(1, 8.0, accuracy=0.1, end="stopped"), 1.0).end == "missed"


def test_reached_is_said_by_metrics_alone():
    memory = Memory()
    memory.open("trial-1", 0.0)
    with pytest.raises(UsageError, match="its metrics do not"):
        memory.report(1, made(1, 2.0, accuracy=0.1, end="reached"), 1.0)
    assert memory.report(1, made(1, 2.0, accuracy=0.9, end="failed"), 1.0).end == "reached"


def test_several_targets_are_reached_together():
    both = replace(DESCRIPTION, targets=(ACCURACY, Target("loss", 0.3, higher_is_better=False)))
    memory = Memory(both)
    memory.open("trial-1", 0.0)
    for number, metrics in enumerate(
        [{"accuracy": 0.95, "loss": 0.5}, {"loss": 0.2}, {"accuracy": None, "loss": 0.1}], 1
    ):
        assert memory.report(1, replace(made(number, number), metrics=metrics), 1.0).end is None
    assert memory.report(1, replace(made(9, 4.0), metrics={"accuracy": 0.9, "loss": 0.3}), 1.0).end == "reached"


def test_heir_begins_with_what_the_closest_relative_knows():
    old, dear = Memory(), Memory(replace(DESCRIPTION, device="b", targets=(Target("accuracy", 0.8),)))
    for memory, epochs in ((old, 3.0), (dear, 6.0)):
        memory.open("trial-1", 0.0)
        memory.report(1, made(1, epochs, accuracy=0.95), 1.0)
    relatives = [dear.job, old.job]
    elsewhere = replace(DESCRIPTION, device="another GPU")
    change, answer = core.create_job(elsewhere, relatives, 2.0)
    assert answer.parent == old.job.id  # of the same target, though on another device
    assert core.fold(change.events) == change.job.policy
    assert core.create_job(replace(DESCRIPTION, policy="zeus"), relatives, 2.0)[1].parent is None
    assert core.create_job(replace(DESCRIPTION, batch_sizes=(1, 2), default=1), relatives, 2.0)[1].parent is None


def test_description_is_the_same_job_in_any_order_and_another_one_if_anything_changes():
    shuffled = JobDescription.from_dict(
        json.loads(json.dumps(DESCRIPTION.to_dict())) | {"batch_sizes": [64, 8, 32, 16]}
    )
    assert shuffled.id == DESCRIPTION.id
    assert replace(DESCRIPTION, max_power_w=250).id == DESCRIPTION.id
    changes = {
        "name": "x", "batch_sizes": (8, 32), "default": 8, "targets": (Target("accuracy", 0.8),), "max_epochs": 9,
        "eta": 0.6, "max_power_w": 300.0, "device": "x", "device_count": 2, "model": "x", "data": "x",
        "optimizer": "x", "policy": "zeus", "seed": 1,
    }  # fmt: skip
    assert len({replace(DESCRIPTION, **{name: value}).id for name, value in changes.items()}) == len(changes)
    assert set(changes) == set(DESCRIPTION.to_dict())
