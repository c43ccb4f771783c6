"""Each fault of the published server, reproduced against ours over HTTP: it must not be there.

Source: what was found of Zeus's batch-size server when it was reproduced; the numbers are those of that list.
"""

from __future__ import annotations

import itertools
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from hub_stage import CLOCK, describe, report, serving

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")
NAMES = (f"job-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("hub") / "jobs.db") as made:
        yield made


class Client:
    """A job on a server, and trials of it."""

    def __init__(self, server, **fields):
        self.server, self.name = server, next(NAMES)
        status, answer = server.ask("POST", "/v1/jobs", describe(self.name, **fields))
        assert status in (200, 201), answer
        self.path = f"/v1/jobs/{answer['job']}"

    def open(self, trial=None, **fields):
        status, answer = self.server.ask("PUT", f"{self.path}/trials/{trial or uuid.uuid4().hex}", fields)
        assert status == 200, answer
        return answer

    def tell(self, trial, *told, **fields):
        status, answer = self.server.ask(
            "POST", f"{self.path}/trials/{trial['trial']}/reports", report(*told, **fields)
        )
        assert status == 200, answer
        return answer

    def run(self, epochs=3, *, accuracy=0.95, **fields):
        trial = self.open()
        return trial, self.tell(trial, 1, epochs, accuracy=accuracy, **fields)

    def trials(self):
        return self.server.ask("GET", f"{self.path}/trials?limit=1000")[1]

    def wait_expired(self, trial):
        """Until the hub has noticed by itself, at most some seconds."""
        for _ in range(600):
            row = self.trials()[trial["number"] - 1]
            if row["end"] == "expired":
                return
            CLOCK.sleep(0.02)
        raise AssertionError(row)


@pytest.mark.parametrize("policy", ["curves", "zeus"])
def test_1_report_of_an_earlier_stage_is_accepted(server, policy):
    """A trial is handed out, others bring the job to its next stage, and then it is reported."""
    job = Client(server, policy=policy, batch_sizes=[16, 32], default=32)
    early = job.open()
    for _ in range(12):
        job.run()
    assert job.tell(early, 1, 4, accuracy=0.95) == job.tell(early, 1, 4, accuracy=0.95) | {"is_news": True}
    assert job.trials()[0]["end"] == "reached"


@pytest.mark.parametrize("policy", ["curves", "zeus"])
def test_2_cheap_run_that_missed_its_target_never_counts_as_best(server, policy):
    job = Client(server, policy=policy)
    first, _ = job.run(5)
    other = job.open()
    while other["batch_size"] == first["batch_size"]:
        job.tell(other, 1, 5, accuracy=0.95)
        other = job.open()
    assert job.tell(other, 1, 10, accuracy=0.1, epoch_s=0.01)["end"] == "missed"  # max_epochs, for nearly nothing
    assert job.server.ask("GET", job.path)[1]["best"] == first["batch_size"]
    blocker, concurrent = job.open(), job.open()
    assert first["batch_size"] == concurrent["batch_size"] or blocker["batch_size"] != other["batch_size"]
    good = job.open(batch_size=first["batch_size"])
    assert not job.tell(good, 1, 4, accuracy=0.5)["should_stop"]  # its usual cost is not too much


def test_3_trial_of_a_killed_client_expires(server):
    """Nobody reports; when its lease is over, exploration goes on."""
    job = Client(server, policy="zeus")
    job.run()
    lost = job.open(lease_s=1.0)
    job.wait_expired(lost)
    again = job.open()
    assert again["kind"] == "exploration"
    assert again["batch_size"] != 32
    assert job.tell(lost, 1, 3, accuracy=0.95)["end"] == "reached"  # it lives, after all


@pytest.mark.slow
def test_4_unseeded_jobs_do_not_draw_the_same_for_every_arm(server):
    """Draws of one decision differ between arms, and between decisions."""
    job = Client(server, policy="zeus", batch_sizes=[16, 32, 64], default=32)
    for _ in range(9):
        trial = job.open()
        job.tell(trial, 1, 3 + trial["number"] % 3, accuracy=0.95, epoch_s=10.0)
    sizes = [job.run(3 + index % 4)[0]["batch_size"] for index in range(24)]
    assert len(set(sizes)) > 1


@pytest.mark.parametrize("policy", ["curves", "zeus"])
def test_5_target_reached_in_the_epoch_that_costs_too_much_is_reached(server, policy):
    job = Client(server, policy=policy)
    job.run(2)
    trial = job.open()
    verdict = job.tell(trial, 1, 9, accuracy=0.95, end="stopped")
    assert (verdict["end"], verdict["should_stop"]) == ("reached", True)
    assert job.tell(trial, 2, 9, end="failed")["end"] == "reached"


def test_6_parallel_requests_are_all_answered(server):
    job = Client(server)
    with ThreadPoolExecutor(30) as pool:
        trials = list(pool.map(lambda _: job.open(), range(60)))
        verdicts = list(pool.map(lambda trial: job.tell(trial, 1, 3, accuracy=0.95), trials))
    assert sorted(trial["number"] for trial in trials) == list(range(1, 61))
    assert {verdict["end"] for verdict in verdicts} == {"reached"}


def test_7_repeated_request_is_one_trial(server):
    job = Client(server)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: job.open("one-trial-id"), range(8)))
    assert answers == [answers[0]] * 8
    assert len(job.trials()) == 1


@pytest.mark.parametrize("policy", ["curves", "zeus", pytest.param("grid", marks=pytest.mark.slow)])
def test_8_all_sizes_may_fail(server, policy):
    job = Client(server, policy=policy)
    for index in range(3 * 4):
        trial = job.open()
        job.tell(trial, 1, index % 2, end="failed")
    assert job.open()["batch_size"] in (8, 16, 32, 64)


def test_9_identity_is_what_matters(server):
    """The same description is the same job; another weight of energy is another one that begins with what is known."""
    one = describe(next(NAMES))
    (first, made), (second, again) = server.ask("POST", "/v1/jobs", one), server.ask("POST", "/v1/jobs", one)
    assert (first, second, made["job"]) == (201, 200, again["job"])
    shuffled = {key: one[key] for key in reversed(one)} | {"batch_sizes": [64, 8, 32, 16], "eta": 0.5}
    assert server.ask("POST", "/v1/jobs", shuffled)[1]["job"] == made["job"]
    status, other = server.ask("POST", "/v1/jobs", {**one, "eta": 0.6})
    assert status == 201
    assert other["job"] != made["job"]
    assert other["parent"] is None
    trial = server.ask("PUT", f"/v1/jobs/{made['job']}/trials/{uuid.uuid4().hex}", {})[1]
    server.ask("POST", f"/v1/jobs/{made['job']}/trials/{trial['trial']}/reports", report(1, 3, accuracy=0.95))
    heir = server.ask("POST", "/v1/jobs", {**one, "eta": 0.7})[1]
    assert heir["parent"] == made["job"]
    anew = server.ask("POST", "/v1/jobs", {**one, "targets": [{"metric": "accuracy", "value": 0.8}]})[1]
    assert anew["is_new"]
    assert anew["parent"] == made["job"]


def test_10_nothing_impossible_is_accepted_and_nobody_deletes(server):
    job = Client(server, device="x" * 200)
    assert server.ask("DELETE", job.path)[0] == 405
    trial = job.open()
    where = f"{job.path}/trials/{trial['trial']}/reports"
    for wrong in ({"time_s": -1.0}, {"energy_j": -1.0}, {"epochs": 1e400}, {"number": 0}, {"end": "won"}, {"typo": 1}):
        assert server.ask("POST", where, {**report(1, 1), **wrong})[0] == 422, wrong
    nan = json.dumps({**report(1, 1), "energy_j": float("nan")}).encode()
    assert server.ask("POST", where, raw=nan)[0] == 422
    assert server.ask("POST", where, {**report(1, 1), "end": "reached"})[0] == 422  # its metrics do not say so
    assert job.trials()[0]["reports"] == 0
