"""``jw.recurring``: three lines in a script, near a file and far from a hub, whatever the hub does."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

import joulewise as jw
from hub_stage import CLOCK, Server, free_port
from joulewise.errors import UsageError
from joulewise.runtime.courier import Courier
from joulewise.runtime.hub_client import HttpHub, HubAwayError, RefusedError, UnknownToHubError
from joulewise.runtime.spool import Spool, Untold
from joulewise.sim.training import SimulatedTraining
from joulewise.wire.hub import JobDescription, Target, TrialReport, TrialRequest

pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.jobs.hub import Hub
from joulewise.jobs.policies import frontier_of
from joulewise.runtime.near_hub import NearHub

SIZES = (16, 32, 64)
DESCRIPTION = JobDescription("nightly", SIZES, 32, (Target("metric", 0.9),), 20, 0.5, 250.0)


def train(folder, *, epochs_needed=3, tuner=False, steps=4, **where):
    """One recurrence on a twin; the job, when it is over."""
    world = SimulatedTraining("v100", steps=1)
    where = where or {"store": folder / "jobs.db"}
    job = jw.recurring(
        "nightly", SIZES, target=0.9, max_epochs=20, devices=world.devices, clock=world.clock, tuner=tuner,
        spool=folder / "spool", **where,
    )  # fmt: skip
    with job:
        world.steps = steps * 64 // job.batch_size
        for epoch in job.epochs():
            for _ in job.tune(world):
                pass
            job.epoch_end((epoch + 1) / epochs_needed * 0.9)
    return job


def rows_of(folder, name="nightly"):
    hub = Hub(folder / "jobs.db")
    try:
        return hub.store.trials(hub.find(name).id)
    finally:
        hub.close()


def test_three_lines_learn_in_a_file(tmp_path):
    jobs = [train(tmp_path) for _ in range(6)]
    assert all(job.is_reached and not job.note for job in jobs)
    rows = rows_of(tmp_path)
    assert [row.end for row in rows] == ["reached"] * 6
    assert rows[0].batch_size == jobs[0].batch_size == 32  # it can still be asked afterwards
    assert rows[-1].batch_size == 64  # equal epochs, fewer steps
    assert rows[-1].energy_j < rows[0].energy_j
    assert {row.provenance for row in rows} == {"simulated"}


@pytest.mark.slow
def test_power_limit_inside_and_batch_size_outside_make_one_frontier(tmp_path):
    for _ in range(3):
        train(tmp_path, tuner=True, epochs_needed=8, steps=60)
    hub = Hub(tmp_path / "jobs.db")
    job = hub.find("nightly")
    rows = hub.store.trials(job.id)
    assert len(rows[0].rates) > 1
    frontier = frontier_of(job.policy, jw.Provenance.SIMULATED)
    hub.close()
    assert len(frontier) > 1
    for size, limit_w in (point.setting for point in frontier):
        assert size in SIZES
        assert 100.0 <= limit_w <= 250.0
    assert {str(point.provenance) for point in frontier} == {"simulated"}


def recur_at(folder, size):
    """One tuned recurrence at one size; how many limits its tuner knew on entering, its choice then, and at the end."""
    world = SimulatedTraining("v100", steps=60)
    job = jw.recurring("one size", [size], store=folder / "jobs.db", devices=world.devices, clock=world.clock,
                       tuner=True, spool=folder / "spool")  # fmt: skip
    with job:
        at_first = len(job.tuner.tuner.points()), job.tuner.choice
        for _ in range(8):
            for _ in job.tune(world):
                pass
            job.epoch_end()
    return *at_first, job.tuner.choice, job.note


@pytest.mark.slow
def test_power_limits_found_at_a_size_are_where_its_next_run_starts(tmp_path):
    known, _, found, _ = recur_at(tmp_path, 32)
    assert known == 0
    again, start, _, note = recur_at(tmp_path, 32)
    assert again > 1
    assert start == found
    assert not note
    other, _, _, _ = recur_at(tmp_path, 64)
    assert other == 0  # a step at another size is another step


def test_power_limits_that_cannot_be_read_are_left_aside(tmp_path):
    recur_at(tmp_path, 32)
    (file,) = (tmp_path / "spool").glob("limits-*-32.json")
    file.write_text("no tuning", encoding="utf-8")
    known, _, _, note = recur_at(tmp_path, 32)
    assert known == 0
    assert "are not used" in note


@pytest.mark.parametrize(
    ("error", "end"), [(RuntimeError("out of memory"), "failed"), (KeyboardInterrupt(), "killed"), (None, "killed")]
)
def test_how_a_run_ends_is_told(tmp_path, error, end):
    with suppress(RuntimeError, KeyboardInterrupt), jw.recurring(
        "nightly", SIZES, target=0.9, store=tmp_path / "jobs.db", devices="sim:v100", max_power_w=250.0,
        spool=tmp_path / "spool",
    ) as job:  # fmt: skip
        job.epoch_end(0.1)
        if error is not None:
            raise error
    assert [row.end for row in rows_of(tmp_path)] == [end]


def test_run_that_never_gets_there_has_missed_and_its_retry_says_so(tmp_path):
    world = SimulatedTraining("v100", steps=2)
    job = jw.recurring("nightly", SIZES, target=0.9, max_epochs=3, store=tmp_path / "jobs.db", devices=world.devices,
                       clock=world.clock, spool=tmp_path / "spool")  # fmt: skip
    for last in (math.nan, 0.95):
        with job:
            for epoch in job.epochs():
                list(world)
                job.epoch_end(last if epoch == 2 else 0.1)
    assert job.is_reached
    first, second = rows_of(tmp_path)
    assert (first.end, second.end, second.retry_of) == ("missed", "reached", 1)


def test_job_without_a_target_is_done_when_its_script_is(tmp_path):
    world = SimulatedTraining("v100", steps=2)
    with jw.recurring("nightly", SIZES, store=tmp_path / "jobs.db", devices=world.devices, clock=world.clock,
                      spool=tmp_path / "spool") as job:  # fmt: skip
        for _ in range(2):
            list(world)
            assert not job.epoch_end()
    assert job.is_reached
    assert [(row.end, row.epochs) for row in rows_of(tmp_path)] == [("reached", 2.0)]


def test_several_metrics_lower_and_higher(tmp_path):
    world = SimulatedTraining("v100", steps=2)
    with jw.recurring("nightly", SIZES, target={"accuracy": 0.9, "loss": 0.3}, lower_is_better=["loss"],
                      clock=world.clock,
                      store=tmp_path / "jobs.db", devices=world.devices, spool=tmp_path / "spool") as job:  # fmt: skip
        list(world)
        assert not job.epoch_end({"accuracy": 0.95, "loss": 0.4})
        with pytest.raises(UsageError, match="name them"):
            job.epoch_end(0.9)
        list(world)
        assert job.epoch_end({"accuracy": 0.9, "loss": 0.3, "other": 1.0})


def test_learning_rate_follows_the_rule_of_its_optimizer(tmp_path):
    job = jw.recurring("a", [16, 64], default=16, store=tmp_path / "jobs.db", devices="sim:v100", optimizer="adamw",
                       spool=tmp_path / "spool")  # fmt: skip
    with job:
        assert job.learning_rate(1e-3, batch_size=job.batch_size // 4) == pytest.approx(2e-3)


def test_without_energy_the_cost_is_time_and_it_is_said(tmp_path):
    with jw.recurring("a", [16, 64], store=tmp_path / "jobs.db", devices=[], spool=tmp_path / "spool") as job:
        assert "time alone" in job.note
        job.epoch_end()
    assert (job.description.eta, job.description.max_power_w) == (0.0, 1.0)
    assert [row.end for row in rows_of(tmp_path, "a")] == ["reached"]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"store": "a.db", "hub": "http://x"}, {"hub": "ftp://x"}, {"hub": "x"}, {"hub": "http://"}],
)
def test_where_to_remember_must_be_said_once(wrong):
    with pytest.raises(UsageError):
        jw.recurring("a", [1], devices="sim:v100", **wrong)


@pytest.mark.slow
def test_near_a_file_needs_no_web_framework(tmp_path):
    code = f"""
import sys
for name in ("fastapi", "starlette", "uvicorn", "pydantic"):
    sys.modules[name] = None
import joulewise as jw
with jw.recurring("a", [8], store={str(tmp_path / "jobs.db")!r}, devices="sim:v100", spool={str(tmp_path)!r}) as job:
    job.epoch_end()
print(job.is_reached, job.note)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


@pytest.mark.slow
def test_far_from_a_hub_needs_no_extra(tmp_path):
    code = f"""
import sys
for name in ("fastapi", "pydantic", "sqlalchemy", "alembic", "uvicorn", "httpx"):
    sys.modules[name] = None
import joulewise as jw
with jw.recurring("a", [8], hub="http://127.0.0.1:{free_port()}", devices="sim:v100", spool={str(tmp_path)!r}) as job:
    job.epoch_end()
print(job.is_reached, job.batch_size if False else 8, bool(job.note))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "8", "True"]


# --- a hub that is away, slow or wrong


class FakeHub:
    """The hub's port, in memory, that fails as it is told to."""

    def __init__(self, hub, failing=0, error=None):
        self.hub, self.failing = hub, failing
        self.error = error or HubAwayError("the hub is away")

    def _attempt(self, name, *arguments):
        if self.failing:
            self.failing -= 1
            raise self.error
        return getattr(self.hub, name)(*arguments)

    def open_job(self, *arguments):
        return self._attempt("open_job", *arguments)

    def open_trial(self, *arguments):
        return self._attempt("open_trial", *arguments)

    def report(self, *arguments):
        return self._attempt("report", *arguments)

    def renew(self, *arguments):
        return self._attempt("renew", *arguments)


@pytest.fixture
def hub(tmp_path):
    made = Hub(tmp_path / "jobs.db")
    yield made
    made.close()


def courier_of(port, tmp_path, **patience):
    fast = {"patience_s": 10.0, "start_patience_s": 10.0, "linger_s": 10.0, **patience}
    return Courier(port, Spool(tmp_path / "spool"), DESCRIPTION, TrialRequest(), **fast)


def made(number, epochs, *, metric=0.1, end=None):
    return TrialReport(number, epochs, 10.0 * epochs, 2000.0 * epochs, {"metric": metric}, end=end)


def test_one_failure_is_tried_again(hub, tmp_path):
    courier = courier_of(FakeHub(hub, failing=1), tmp_path)
    assert courier.start().batch_size == 32
    assert courier.tell(made(1, 1)).end is None
    courier.close()
    assert Spool(tmp_path / "spool").others() == []


def test_hub_that_is_away_trains_with_the_best_known_size_and_is_told_later(hub, tmp_path):
    (tmp_path / "spool").mkdir()
    Spool(tmp_path / "spool").keep_best(DESCRIPTION.id, 64)
    nobody = HttpHub(f"http://127.0.0.1:{free_port()}", timeout_s=1.0)
    courier = courier_of(nobody, tmp_path)
    assert courier.start() is None
    courier.choose(Spool(tmp_path / "spool").best(DESCRIPTION.id))
    assert courier.tell(made(1, 1)) is None
    assert courier.tell(made(2, 2, metric=0.95)) is None
    courier.close()
    assert "cannot be asked" in courier.note
    (untold,) = Spool(tmp_path / "spool").others()
    assert (untold.request.batch_size, len(untold.reports)) == (64, 2)
    later = courier_of(hub, tmp_path)
    later.start()
    for number in range(1, 100):  # it tells when it has nothing else to say
        later.tell(made(number, 1))
        if not Spool(tmp_path / "spool").others(but=later.trial):
            break
    later.close()
    mine, told = sorted(hub.store.trials(DESCRIPTION.id), key=lambda row: row.id == untold.trial)
    assert (told.end, told.batch_size, told.kind) == ("reached", 64, "concurrent")
    assert mine.end is None
    assert hub.store.read(DESCRIPTION.id)[0].trials == 2


def test_hub_that_forgot_everything_is_told_from_the_beginning(hub, tmp_path):
    port = FakeHub(NearHub(tmp_path / "other.db"))
    courier = courier_of(port, tmp_path)
    courier.start()
    port.hub = NearHub(tmp_path / "jobs.db")  # its disk was replaced
    assert courier.tell(made(1, 1)).is_news
    assert courier.tell(made(2, 2, metric=0.95)).end == "reached"
    courier.close()
    assert [row.end for row in hub.store.trials(DESCRIPTION.id)] == ["reached"]


def test_refusal_is_noted_and_not_repeated(hub, tmp_path):
    port = FakeHub(hub)
    courier = courier_of(port, tmp_path)
    courier.start()
    port.failing, port.error = 1, RefusedError("no", "because", "never mind")
    courier.tell(made(1, 1))
    assert courier.tell(made(2, 2)).end is None
    courier.close()
    assert "because" in courier.note
    assert [one.number for one in hub.store.observations(DESCRIPTION.id, 1)] == [2]


@pytest.mark.slow
def test_unknown_error_of_a_port_never_reaches_training(hub, tmp_path):
    courier = courier_of(FakeHub(hub, failing=10**6, error=ZeroDivisionError("oops")), tmp_path, linger_s=0.1)
    assert courier.start() is None
    courier.choose(16)
    assert courier.tell(made(1, 1)) is None
    courier.close()
    assert "oops" in courier.note


@contextmanager
def listening(answer):
    """A server that answers every connection with these bytes, or never if there are none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def run():
            with suppress(OSError):
                while True:
                    one, _ = server.accept()
                    held.append(one)
                    if answer:
                        one.recv(65536)
                        one.sendall(answer)
                        one.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for one in held:
                one.close()


def http(body, status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n{body}".encode()


WRONG = {
    "silent": b"",
    "no http": b"hello\r\n\r\n",
    "no json": http("<html>"),
    "a list": http("[]"),
    "nothing in it": http("{}"),
    "wrong types": http(json.dumps({"job": 1, "is_new": 2, "best": "x", "trial": [], "number": -1, "batch_size": "x"})),
    "strange size": http(json.dumps({"job": "x", "is_new": True, "best": 7, "trial": "x", "number": 1, "batch_size": 7,
                                     "kind": "x", "reason": "x"})),
    "error": http("oops", "500 Internal Server Error"),
    "no entry": http('{"detail": "no token"}', "401 Unauthorized"),
    "elsewhere": http("", "307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n"),
    "refuses": http('{"detail": {"error": "UsageError", "what": "no", "seen": "", "fix": ""}}', "422 Unprocessable"),
    "cut short": http("{}")[:-1] + b"",
}  # fmt: skip


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_hub_that_is_slow_or_wrong_neither_stalls_nor_kills_training(tmp_path, answer):
    with listening(answer) as url:
        began_ns = CLOCK.now_ns()
        courier = courier_of(HttpHub(url, timeout_s=0.2), tmp_path, patience_s=0.2, start_patience_s=0.5, linger_s=0.2)
        assert courier.start() is None
        courier.choose(16)
        for number in range(1, 20):
            assert courier.tell(made(number, number)) is None
        courier.close()
        assert CLOCK.now_ns() - began_ns < 20e9
    assert courier.note


def test_what_lies_in_the_spool_and_is_none_of_ours_is_left_alone(tmp_path):
    spool = Spool(tmp_path)
    (tmp_path / "trial-broken.json").write_text("{")
    (tmp_path / "trial-other.json").write_text('{"schema": "x"}')
    (tmp_path / f"best-{DESCRIPTION.id}.json").write_text('{"best": "many"}')
    untold = Untold(DESCRIPTION, "trial-0001", TrialRequest(batch_size=16), (made(1, 1),))
    spool.keep(untold)
    assert spool.others() == [untold]
    assert spool.best(DESCRIPTION.id) is None


def test_spool_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "folder")
    spool.keep(Untold(DESCRIPTION, "trial-0001", TrialRequest(), ()))
    assert "could not be written down" in spool.note
    assert spool.others() == []


@pytest.mark.slow
def test_unknown_job_is_told_apart_over_http(tmp_path):
    pytest.importorskip("fastapi", reason="the extra hub is not installed")
    server = Server(tmp_path / "jobs.db").start()
    try:
        far = HttpHub(server.url)
        with pytest.raises(UnknownToHubError):
            far.report("nobody", "trial-0001", made(1, 1))
        assert far.open_job(DESCRIPTION).is_new
        assert far.open_trial(DESCRIPTION.id, "trial-0001", TrialRequest()).batch_size == 32
        far.renew(DESCRIPTION.id, "trial-0001")
        assert far.report(DESCRIPTION.id, "trial-0001", made(1, 1, metric=0.9)).end == "reached"
        job = train(tmp_path, hub=server.url, epochs_needed=1)
        assert job.is_reached
        assert job.note == ""
    finally:
        server.stop()
