"""The pages of recurring jobs: what they say, that they say it as text, and to whom."""

from __future__ import annotations

import base64
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_replay import ReplayedJob
from hub_stage import describe, report

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")
pytest.importorskip("httpx", reason="httpx is not installed, so there is no TestClient")

from fastapi.testclient import TestClient

from joulewise.clock import VirtualClock
from joulewise.jobs.hub import Hub
from joulewise.jobs.rows import Job, TrialRow
from joulewise.jobs.tokens import Scope, Tokens
from joulewise.records import Provenance
from joulewise.services.hub.page_shell import SCRIPT
from joulewise.services.hub.recurring_view import RecurringView, look
from joulewise.services.hub.server import make_app
from joulewise.sim.job_families import family_problem
from joulewise.wire.hub import JobDescription


class Reader(HTMLParser):
    """What a browser would make of a page: its tags, its attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


class Stage:
    """A hub on a virtual clock, with its application."""

    def __init__(self, path, *, asks_for_tokens=False):
        self.clock = VirtualClock()
        self.hub = Hub(path, clock=self.clock)
        self.client = TestClient(make_app(self.hub, asks_for_tokens=asks_for_tokens))

    def ask(self, method, path, body):
        answer = self.client.request(method, path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def page(self, path="/recurring"):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path / "hub.db")
    yield made
    made.client.close()
    made.hub.close()


def test_a_replayed_job_tells_its_reasons_costs_and_frontier(stage):
    job = ReplayedJob(stage.ask, family_problem("valley", 5), name="valley")
    job.recur(12)
    shown = Reader(stage.page("/recurring/valley"))
    trials = stage.client.get(f"/v1/jobs/{job.id}/trials").json()
    for row in trials:
        assert row["reason"] in shown.text
    view = look(stage.hub, "valley")
    assert len(view.recurrences) == 12
    assert {one.state for one in view.recurrences} == {"reached"}
    assert view.recurrences[-1].cost < view.recurrences[0].cost
    assert shown.tags.count("polyline") == 4  # mean and frontier, wide and narrow
    assert "cheapest" in shown.text
    assert "simulated, not measured" in shown.text
    assert view.frontier is not None
    for point in view.frontier:
        assert f"{point.setting[0]}" in shown.text


def test_a_trial_is_live_until_its_lease_is_over(stage):
    job = ReplayedJob(stage.ask, family_problem("bend", 3), name="bend")
    job.open(client="node-7", lease_s=60.0)
    assert "node-7" in Reader(stage.page("/recurring/bend")).text
    assert ">1</td>" in stage.page()
    stage.clock.sleep(61.0)
    stage.hub.expire()
    shown = Reader(stage.page("/recurring/bend")).text
    assert "Nothing runs." in shown
    assert "expired" in shown


def test_where_nothing_tells_energy_no_joules_are_shown(stage):
    job = stage.ask("POST", "/v1/jobs", describe("time alone", eta=0.0, max_power_w=1.0))["job"]
    for number in range(3):
        path = f"/v1/jobs/{job}/trials/trial-{number:05}"
        stage.ask("PUT", path, {})
        told = report(1, 3, accuracy=0.95, power_w=0.0)
        stage.ask("POST", f"{path}/reports", told | {"rates": [{"limit_w": None, "epoch_s": 10.0, "power_w": 0.0}]})
    shown = Reader(stage.page(f"/recurring/{job}"))
    assert "cost: time" in shown.text
    assert "30 s" in shown.text
    assert not [text for text in shown.texts if text.endswith(" J") or ", J" in text]
    assert "only time to compare" in shown.text


EVIL = "<script>alert(1)</script>\"'&<b onmouseover=x>"


def test_whatever_clients_say_is_text(stage):
    fields = dict.fromkeys(("model", "data", "optimizer", "device"), EVIL)
    target = {"metric": EVIL, "value": 0.9}
    job = stage.ask("POST", "/v1/jobs", describe(EVIL, targets=[target], **fields))["job"]
    path = f"/v1/jobs/{job}/trials/trial-00001"
    stage.ask("PUT", path, {"client": EVIL})
    stage.ask("POST", f"{path}/reports", {**report(1, 2), "metrics": {EVIL: 0.5}, "note": EVIL})
    for text in (stage.page(), stage.page(f"/recurring/{job}"), stage.page(f"/recurring/{job}?before=2")):
        read = Reader(text)
        assert read.tags.count("script") == text.count(f"<script>{SCRIPT}</script>") <= 1
        assert "b" not in read.tags or read.tags.count("b") == read.attributes.count(("class", "tile"))
        assert not any(name.startswith("on") for name, _ in read.attributes)
        assert EVIL in read.text
    assert stage.client.get(f"/recurring/{job}").text.count("onmouseover") >= 5


def test_a_page_asks_for_nothing_but_itself_and_forbids_the_rest(stage):
    ReplayedJob(stage.ask, family_problem("bend", 3), name="bend").recur(2)
    for path in ("/recurring", "/recurring/bend"):
        answer = stage.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "unsafe-inline" not in policy.split("script-src")[1]
        assert not any(
            name == "src" or (name == "href" and "//" in value) for name, value in Reader(answer.text).attributes
        )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "The job has no frontier yet."),
        ({"policy": "zeus"}, "This policy does not know a frontier."),
        ({"batch_sizes": list(range(1, 65)), "default": 64}, "The job has no frontier yet."),
        ({"batch_sizes": [1], "default": 1, "eta": 0.0}, "The job has no frontier yet."),
    ],
)
def test_a_job_of_which_little_is_known(stage, fields, said):
    job = stage.ask("POST", "/v1/jobs", describe("new", **fields))["job"]
    assert said in Reader(stage.page(f"/recurring/{job}")).text
    assert "No trial yet." in Reader(stage.page(f"/recurring/{job}?before=1")).text
    path = f"/v1/jobs/{job}/trials/trial-00001"
    stage.ask("PUT", path, {})
    assert "running" in Reader(stage.page(f"/recurring/{job}")).text
    stage.ask("POST", f"{path}/reports", report(1, 3, accuracy=0.95, power_w=0.0))  # no meter
    assert "reached" in Reader(stage.page(f"/recurring/{job}?before=999")).text


def test_the_address_that_a_hub_says_leads_to_its_pages(stage):
    assert stage.page("/") == stage.page("/recurring")


def test_what_is_not_there_is_not_found(stage):
    assert stage.client.get("/recurring/nothing").status_code == 404
    assert stage.client.get("/recurring/nothing?before=0").status_code == 422
    assert "No recurring job" in stage.page()


@pytest.mark.slow
def test_many_jobs_and_trials_are_shown_in_parts(stage):
    made = {stage.ask("POST", "/v1/jobs", describe(f"job-{number}"))["job"] for number in range(53)}
    seen, path = set(), "/recurring"
    while path:
        links = [value for name, value in Reader(stage.page(path)).attributes if name == "href"]
        seen |= {link.removeprefix("recurring/") for link in links if link.startswith("recurring/")}
        path = next((f"/recurring{link}" for link in links if link.startswith("?after=")), None)
    assert seen == made
    job = ReplayedJob(stage.ask, family_problem("bend", 3), name="bend")
    job.recur(50)
    total = stage.client.get(f"/v1/jobs/{job.id}").json()["trials"]
    read, path = 0, f"/recurring/{job.id}"
    while path:
        text = stage.page(path)
        read += Reader(text).text.count("exploitation:") + Reader(text).text.count("exploration:")
        links = [value for name, value in Reader(text).attributes if name == "href"]
        path = next((f"/recurring/{job.id}{link}" for link in links if link.startswith("?before=")), None)
    assert read == total


def test_people_need_a_token_where_programs_do(tmp_path):
    stage = Stage(tmp_path / "hub.db", asks_for_tokens=True)
    token = Tokens(stage.hub.store.database).make("me", Scope.READ, 1.0, stage.hub.now())
    for path in ("/recurring", "/recurring/nothing"):
        refused = stage.client.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert stage.client.get(path, headers={"Authorization": "Bearer read.wrong"}).status_code == 401
        basic = base64.b64encode(f"anybody:{token}".encode()).decode()
        for known in (f"Bearer {token}", f"Basic {basic}"):
            assert stage.client.get(path, headers={"Authorization": known}).status_code in (200, 404)
    stage.client.close()
    stage.hub.close()


def trial_row(number, retry_of, end, energy_j):
    told = {"reports": 1, "epochs": 1.0, "time_s": energy_j / 100.0, "energy_j": energy_j, "end": end}
    return TrialRow(
        "job", number, f"t{number}", 1, 8, "exploration", "", None, 1, retry_of, "", 0.0, 0.0, 1.0, 1.0, **told
    )


@st.composite
def histories(draw):
    """Trials of which some go on with the work of one before that did not reach."""
    rows = []
    for number in range(1, draw(st.integers(1, 30)) + 1):
        free = [row.number for row in rows if row.end not in (None, "reached")]
        free = [one for one in free if one not in {row.retry_of for row in rows}]
        retry_of = draw(st.sampled_from([None, *free]))
        end = draw(st.sampled_from(["reached", "missed", "stopped", "expired", None]))
        rows.append(trial_row(number, retry_of, end, draw(st.floats(0.0, 1e6))))
    return rows


@given(histories(), st.integers(0, 30))
@settings(max_examples=60)
def test_each_trial_belongs_to_one_recurrence_and_no_cost_is_lost(rows, skipped):
    description = JobDescription.from_dict(describe())
    job = Job(description, "", 1, 0.0, 0.0, None, len(rows))

    def view(shown):
        return RecurringView(job, 8, tuple(shown), (), None, "", Provenance.SIMULATED, 0.0)

    whole = view(rows)
    assert sorted(row.number for one in whole.recurrences for row in one.trials) == [row.number for row in rows]
    assert math.isclose(sum(one.cost for one in whole.recurrences), sum(map(whole.cost, rows)), abs_tol=1e-6)
    assert all(one.trials[0].retry_of is None for one in whole.recurrences)
    assert all(row.end != "reached" for one in whole.recurrences for row in one.trials[:-1])
    later = view(rows[skipped:])  # a part shows those recurrences whole that began in it
    begun = {one.trials[0].number: one for one in whole.recurrences if one.trials[0].number > skipped}
    assert {one.trials[0].number: one for one in later.recurrences} == begun
