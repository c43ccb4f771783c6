"""All state out as JSON lines and in again; the database; tokens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.errors import InputFileError, UsageError

pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from joulewise.clock import VirtualClock
from joulewise.jobs.database import HEAD, Database, url_of
from joulewise.jobs.exchange import export_lines, import_lines
from joulewise.jobs.hub import Hub, NotFoundError
from joulewise.jobs.tables import METADATA
from joulewise.jobs.tokens import DAY_S, Scope, Tokens
from joulewise.pipelines.tables import METADATA as PIPELINES
from joulewise.wire.hub import JobDescription, Target, TrialReport, TrialRequest

DESCRIPTION = JobDescription("nightly", (8, 16, 32), 16, (Target("accuracy", 0.9),), 8, 0.5, 250.0)


@pytest.fixture
def hub(tmp_path):
    made = Hub(tmp_path / "jobs.db", clock=VirtualClock())
    yield made
    made.close()


def fill(hub, steps):
    """Let things happen, as drawn."""
    for index, (name, epochs, accuracy, rate) in enumerate(steps):
        job = hub.open_job(DESCRIPTION if name == "a" else JobDescription(**(DESCRIPTION.to_dict() | {
            "name": name, "targets": DESCRIPTION.targets, "policy": "zeus"}))).job  # fmt: skip
        trial = hub.open_trial(job, f"trial-{index:05}", TrialRequest(client="ünïcode", lease_s=rate)).trial
        for number in range(1, epochs + 1):
            metrics = {"accuracy": accuracy if number == epochs else None}
            hub.report(job, trial, TrialReport(number, number, number * rate, number * 0.1 * rate, metrics))
        hub.clock.sleep(rate)


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.sampled_from([0.1, 0.95]), st.floats(1.0, 6e5)), max_size=5
)


@given(STEPS)
@settings(max_examples=5)
def test_import_of_an_export_is_the_same(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("exchange")
    clock = VirtualClock()
    one, other = Hub(folder / "one.db", clock=clock), Hub(folder / "other.db", clock=clock)
    try:
        fill(one, steps)
        lines = list(export_lines(one.store))
        first = import_lines(other.store, lines)
        assert list(export_lines(other.store)) == lines
        assert import_lines(other.store, lines).known == first.added
        assert list(export_lines(other.store)) == lines
        assert [job.id for job in one.store.jobs()] == list(first.added)
        if steps:  # and it goes on as if nothing had been
            job, trial = first.added[0], "trial-after"
            assert one.open_trial(job, trial, TrialRequest()) == other.open_trial(job, trial, TrialRequest())
    finally:
        one.close()
        other.close()


def spoilt(lines, place, **fields):
    changed = json.loads(lines[place]) | fields
    return [*lines[:place], json.dumps(changed), *lines[place + 1 :]]


def test_what_is_no_export_is_refused_and_nothing_of_the_job_is_written(hub, tmp_path):
    fill(hub, [("a", 2, 0.95, 10.0), ("a", 3, 0.95, 10.0)])
    lines = list(export_lines(hub.store))
    kinds = [json.loads(line).get("row") for line in lines]
    wrong = {
        "nothing": [],
        "another file": ["{}"],
        "a newer one": [json.dumps({"schema": "joulewise.hub-export/99"})],
        "no json": [lines[0], "{"],
        "no job": [lines[0], lines[kinds.index("trial")]],
        "missing event": lines[:-1],
        "missing trial": [line for place, line in enumerate(lines) if place != kinds.index("trial")],
        "unknown row": spoilt(lines, 1, row="x"),
        "unknown field": spoilt(lines, kinds.index("trial"), strange=1),
        "another policy": spoilt(lines, 1, policy=lines[1]),
        "of another job": spoilt(
            lines, 1, policy=json.loads(lines[1])["policy"].replace('"default":16', '"default":8')
        ),
        "not utf": [lines[0], "\x00"],
    }
    for name, broken in wrong.items():
        other = Hub(tmp_path / f"{name}.db", clock=VirtualClock())
        with pytest.raises(InputFileError):
            import_lines(other.store, broken)
        assert other.store.counts() == {"jobs": 0}, name
        other.close()


def test_tables_are_what_migrations_make_and_the_head_is_the_newest(hub):
    config = Config()
    config.set_main_option("script_location", "joulewise.jobs:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    made = sa.inspect(hub.store.database.engine)
    tables = [*METADATA.sorted_tables, *PIPELINES.sorted_tables]
    assert {table.name for table in tables} | {"alembic_version"} == set(made.get_table_names())
    for table in tables:
        columns = {one["name"]: (str(one["type"]), one["nullable"]) for one in made.get_columns(table.name)}
        wanted = {c.name: (str(c.type.compile(hub.store.database.engine.dialect)), c.nullable) for c in table.columns}
        assert columns == wanted, table.name


def test_database_is_in_wal_mode_and_safe_against_loss_of_power(hub):
    with hub.store.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize("where", ["mysql://host/name", "postgresql://[", "://", "nonsense://x"])
def test_other_databases_are_refused(where):
    with pytest.raises(UsageError):
        Database(where)


def test_database_that_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        Database(tmp_path / "no" / "folder.db")
    (tmp_path / "text.db").write_text("this is no database, but text that is long enough to be taken for one" * 20)
    with pytest.raises(UsageError, match="cannot be opened"):
        Database(tmp_path / "text.db")


def test_database_of_a_newer_joulewise_is_refused(hub, tmp_path):
    with hub.store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UsageError, match="newer joulewise"):
        Hub(tmp_path / "jobs.db")


def test_passwords_are_not_shown():
    url = url_of("postgresql://user:secret@host/name")
    assert "secret" not in url.render_as_string(hide_password=True)
    assert url.drivername == "postgresql+psycopg"


def test_tokens_are_shown_once_scoped_and_expire(hub):
    tokens, now = Tokens(hub.store.database), 1e9
    text = tokens.make("ci", Scope.REPORT, 2.0, now)
    found = tokens.who_has(text, now + DAY_S)
    assert (found.name, found.scope) == ("ci", Scope.REPORT)
    assert text not in repr(tokens.all())
    assert tokens.who_has(text, now + 2 * DAY_S) is None
    assert tokens.who_has(text[:-1], now) is None
    assert tokens.who_has("\udce4", now) is None
    with pytest.raises(UsageError, match="of this name"):
        tokens.make("ci", Scope.READ, 1.0, now)
    tokens.revoke("ci")
    assert tokens.who_has(text, now) is None
    with pytest.raises(UsageError, match="no token"):
        tokens.revoke("ci")
    for name, days in (("", 1.0), ("a b", 1.0), ("x" * 65, 1.0), ("ok", 0.0), ("ok", float("nan"))):
        with pytest.raises(UsageError):
            tokens.make(name, Scope.READ, days, now)
    assert [[one.includes(other) for other in Scope] for one in Scope] == [
        [True, False, False], [True, True, False], [True, True, True]
    ]  # fmt: skip


def test_jobs_are_found_by_name_and_by_the_beginning_of_their_id(hub):
    fill(hub, [("a", 1, 0.95, 1.0), ("b", 1, 0.95, 1.0)])
    assert hub.find("nightly").id == hub.find(DESCRIPTION.id[:6]).id == DESCRIPTION.id
    assert hub.find("b").description.name == "b"
    for wrong in ("", "nobody", "%", "____", DESCRIPTION.id[:2]):
        with pytest.raises(NotFoundError):
            hub.find(wrong)


def test_lease_is_renewed_by_reports_and_heartbeats(hub):
    job = hub.open_job(DESCRIPTION).job
    hub.open_trial(job, "trial-0001", TrialRequest(lease_s=100.0))
    for _ in range(5):
        hub.clock.sleep(90.0)
        hub.renew(job, "trial-0001")
        hub.expire()
    hub.clock.sleep(90.0)
    hub.report(job, "trial-0001", TrialReport(1, 1, 1.0, 1.0))
    hub.clock.sleep(90.0)
    hub.expire()
    assert hub.store.trials(job)[0].end is None
    hub.clock.sleep(10.0)
    hub.expire()
    assert hub.store.trials(job)[0].end == "expired"
    assert hub.renew(job, "trial-0001").end == "expired"
    with pytest.raises(NotFoundError):
        hub.renew(job, "trial-none")
