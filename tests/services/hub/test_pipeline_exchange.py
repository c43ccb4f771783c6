"""Pipelines out as JSON lines and in again, beside recurring jobs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines import NearHub, a_job, a_profile

pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.errors import InputFileError
from joulewise.jobs.hub import Hub
from joulewise.pipelines.exchange import export_all, import_all
from joulewise.wire.hub import JobDescription, Target
from joulewise.wire.pipeline_hub import Beat, StragglerNotice, Totals

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["describe", "again", "profile", "plan", "notice", "beat"]),
        st.sampled_from(["one", "two"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


def act(near, step, job, number):
    """Let one thing happen; what cannot happen now does not."""
    hub = near.hub
    state = hub.store.read(job)
    if step == "describe" or state is None:
        hub.describe(job, a_job())
    elif step == "again":
        hub.describe(job, a_job(replicas=4 + number))
    elif step == "profile":
        hub.hear_profile(job, a_profile(state.generation, scale=1.0 + number))
    elif step == "plan":
        near.plan()
    elif step == "notice":
        hub.hear_notice(job, f"n{number}", StragglerNotice(number, factor=1.0 + number, reason="hot"))
    elif step == "beat":
        for session in ("a", "b")[: 1 + number % 2]:
            totals = Totals(number, 0.1 * number, 0.3 * number, "simulated")
            hub.hear_beat(job, Beat(state.generation, number, 0, session, number, "1.1.0", 0.1, totals))
            hub.flush()


@given(STEPS)
@settings(max_examples=8, deadline=None)
def test_import_of_an_export_is_the_same(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("exchange")
    one, other = NearHub(folder / "one.db"), NearHub(folder / "other.db")
    try:
        for step in steps:
            act(one, *step)
        lines = list(export_all(one.hub.store.database))
        first = import_all(other.hub.store.database, lines)
        assert list(export_all(other.hub.store.database)) == lines
        assert set(first.added) == set(one.hub.store.versions())
        assert import_all(other.hub.store.database, lines).known == first.added
        for near in (one, other):  # and it goes on as if nothing had been
            near.plan()
        for job in first.added:
            sides = [near.hub.look(job) for near in (one, other)]
            assert sides[0][0].state.phase == sides[1][0].state.phase
            assert sides[0][0].plan_of(0) == sides[1][0].plan_of(0)
            assert sides[0][1] == sides[1][1]
    finally:
        one.close()
        other.close()


@pytest.fixture
def lines(tmp_path):
    """A recurring job, and a pipeline that is planned and has been heard."""
    near = NearHub(tmp_path / "one.db")
    hub = Hub(tmp_path / "one.db")
    hub.open_job(JobDescription("nightly", (8, 16), 8, (Target("accuracy", 0.9),), 8, 0.5, 250.0))
    hub.close()
    for step in ("describe", "profile", "plan", "beat"):
        act(near, step, "one", 1)
    found = list(export_all(near.hub.store.database))
    near.close()
    return found


def test_recurring_jobs_and_pipelines_are_in_one_file(lines, tmp_path):
    kinds = [json.loads(line).get("row") for line in lines]
    assert kinds == [None, "job", "event", "pipeline", *["pipeline_document"] * 2, *["pipeline_process"] * 1]
    near = NearHub(tmp_path / "other.db")
    assert len(import_all(near.hub.store.database, lines).added) == 2
    near.close()


def spoilt(lines, row, **fields):
    place = [json.loads(line).get("row") for line in lines].index(row)
    return [*lines[:place], json.dumps(json.loads(lines[place]) | fields), *lines[place + 1 :]]


@pytest.mark.parametrize(
    "fields",
    [
        {"row": "pipeline", "strange": 1},
        {"row": "pipeline", "id": "no id"},
        {"row": "pipeline", "job": {"replicas": 0, "ranks": 1}},
        {"row": "pipeline", "planned_round": 7},
        {"row": "pipeline_document", "pipeline": "two"},
        {"row": "pipeline_document", "body": {}},
        {"row": "pipeline_process", "rank": -1},
        {"row": "pipeline_process", "used_j": "much"},
        {"row": "pipeline_process", "past_used_j": None},
        {"row": "pipeline_process", "strange": 1},
    ],
)
def test_what_is_no_export_is_refused_and_nothing_of_the_pipeline_is_written(lines, tmp_path, fields):
    near = NearHub(tmp_path / "other.db")
    with pytest.raises(InputFileError):
        import_all(near.hub.store.database, spoilt(lines, **fields))
    assert near.hub.store.versions() == {}
    near.close()
