"""The quick lane says what the application behind it says, word for word, whatever is asked."""

from __future__ import annotations

import json

import pytest

from hub_pipelines import NearHub, a_job, a_profile

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")
pytest.importorskip("httpx", reason="httpx is not installed, so there is no TestClient")

from fastapi.testclient import TestClient

from joulewise.clock import VirtualClock
from joulewise.jobs.hub import Hub
from joulewise.jobs.tokens import DAY_S, Scope, Tokens
from joulewise.services.hub.quick_gate import FRESH_S, QuickGate
from joulewise.services.hub.quick_lane import QuickLane
from joulewise.services.hub.server import make_app
from joulewise.wire.pipeline_hub import Beat, Totals, dump_record

TOLD = ("content-type", "content-length", "etag", "cache-control", "www-authenticate")


class Sides:
    """A hub with a job that has plans, as it answers with and without its quick lane."""

    def __init__(self, path, *, asks_for_tokens=False):
        near = NearHub(path)
        near.describe("job", a_job())
        near.upload("job", a_profile())
        near.plan()
        near.close()
        self.clock = VirtualClock()
        self.hub = Hub(path, clock=self.clock)
        app = make_app(self.hub, asks_for_tokens=asks_for_tokens)
        lane = QuickLane(app, app.state.pipelines, QuickGate(self.hub) if asks_for_tokens else None, app.state.traffic)
        self.plain, self.quick = TestClient(app), TestClient(lane)
        self.traffic = app.state.traffic

    def ask(self, *words, **fields):
        """What both say; it must be the same."""
        said = [side.request(*words, **fields) for side in (self.plain, self.quick)]
        plain, quick = ((one.status_code, one.content, [one.headers.get(name) for name in TOLD]) for one in said)
        assert plain == quick
        return said[0]

    def tell(self, beat, **headers):
        return self.ask("POST", "/v1/pipelines/job/beats", json=beat, headers=headers)

    def close(self):
        self.plain.close()
        self.quick.close()
        self.hub.close()


@pytest.fixture
def sides(tmp_path):
    made = Sides(tmp_path / "hub.db")
    yield made
    made.close()


GOOD = dump_record(Beat(1, 3, 2, "s", 1, "1.1.0", 0.2, Totals(1, 5.0, 6.0)))


@pytest.mark.parametrize(
    ("beat", "status"),
    [
        (GOOD, 200),
        (GOOD | {"generation": 2}, 422),
        (GOOD | {"replica": 4}, 422),
        (GOOD | {"strange": 1}, 422),
        (GOOD | {"schema": "joulewise.pipelines/9"}, 422),
        ([GOOD], 422),
        (None, 422),
    ],
)
def test_beats(sides, beat, status):
    for _ in range(2):  # the first one may find nothing in memory
        assert sides.tell(beat).status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", json.dumps(GOOD).encode() + b" " * 2_000_000])
def test_bodies_that_are_no_beats(sides, body):
    sides.tell(GOOD)
    headers = {"Content-Type": "application/json"}
    assert sides.ask("POST", "/v1/pipelines/job/beats", content=body, headers=headers).status_code in (400, 413, 422)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("job/plans/1.1.0/ranks/2", 200),
        ("job/plans/1.1.0/ranks/99", 404),
        ("job/plans/1.1.0/ranks/-1", 404),
        ("job/plans/1.1.0/ranks/x", 422),
        ("job/plans/1.1.99999/ranks/0", 404),
        ("job/plans//ranks/0", 404),
        ("nobody/plans/1.1.0/ranks/0", 404),
        ("job/beats", 405),
        ("nobody/beats", 405),
        ("job", 200),
        ("", 200),
    ],
)
def test_schedules_and_all_else(sides, path, status):
    for _ in range(2):
        assert sides.ask("GET", f"/v1/pipelines/{path}").status_code == status


def test_what_is_known_is_not_sent_again(sides):
    path = "/v1/pipelines/job/plans/1.1.0/ranks/1"
    tag = sides.ask("GET", path).headers["etag"]
    assert sides.ask("GET", path, headers={"If-None-Match": tag}).status_code == 304


def test_answers_are_counted(sides):
    for _ in range(3):
        sides.tell(GOOD)
    (line,) = [one for one in sides.traffic.lines()["joulewise_hub_requests_total"] if "beats" in one]
    assert line.endswith(" 6.0")


def test_tokens_are_asked_on_either_way_and_end_soon(tmp_path):
    sides = Sides(tmp_path / "hub.db", asks_for_tokens=True)
    tokens, now = Tokens(sides.hub.store.database), sides.hub.now()
    reads, reports = (tokens.make(str(one), one, 1.0, now) for one in (Scope.READ, Scope.REPORT))
    for text, status in ((f"Bearer {reports}", 200), (f"Bearer {reads}", 403), ("Bearer x", 401), ("Basic x", 401)):
        for _ in range(2):
            assert sides.tell(GOOD, Authorization=text).status_code == status
    assert sides.tell(GOOD).status_code == 401
    tokens.revoke("report")
    sides.clock.sleep(FRESH_S + 0.1)
    assert sides.tell(GOOD, Authorization=f"Bearer {reports}").status_code == 401
    sides.clock.sleep(2 * DAY_S)
    sides.close()
