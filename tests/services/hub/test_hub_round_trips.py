"""How often a hub goes to PostgreSQL and back for one request: each time, 64 waiting clients wait for it."""

from __future__ import annotations

import tempfile
from contextlib import closing

import pytest

from hub_stage import describe, postgresql
from joulewise.jobs.hub import Hub
from joulewise.wire.hub import JobDescription, TrialReport, TrialRequest

pytestmark = pytest.mark.slow

ASK, REPORT, LEARNT, REPEATED = 7, 6, 8, 4
"""Most round trips of one request: BEGIN, two looks, what is written, COMMIT."""


def round_trips(hub, do):
    """How often ``do`` waits for the server, as libpq tells; the hub has one connection."""
    with hub.store.database.engine.connect() as connection:
        driver = connection.connection.driver_connection
    with tempfile.TemporaryFile() as file:
        driver.pgconn.trace(file.fileno())
        try:
            do()
        finally:
            driver.pgconn.untrace()
        file.seek(0)
        messages = [line.split(b"\t") for line in file.read().splitlines()]
    return sum(one[1] == b"F" and one[3].strip() in (b"Query", b"Sync") for one in messages if len(one) > 3)


def report(number, accuracy):
    return TrialReport(number, number, 10.0 * number, 2000.0 * number, {"accuracy": accuracy}, provenance="simulated")


def test_a_request_is_one_short_transaction():
    with postgresql() as url, closing(Hub(url)) as hub:
        job = hub.open_job(JobDescription.from_dict(describe())).job
        for number in range(10):  # statements are prepared after some
            trial = f"trial-{number:04}"
            told = [report(1, 0.5), report(2, 0.5), report(3, 0.95), report(2, 0.5)]
            asked = round_trips(hub, lambda trial=trial: hub.open_trial(job, trial, TrialRequest()))
            seen = [round_trips(hub, lambda one=one, trial=trial: hub.report(job, trial, one)) for one in told]
    assert 0 < asked <= ASK
    assert max(seen[0], seen[2]) <= LEARNT
    assert 0 < seen[1] <= REPORT
    assert seen[3] <= REPEATED


def test_a_hub_goes_on_after_its_connections_have_broken():
    with postgresql() as url, closing(Hub(url)) as hub, closing(Hub(url)) as other:
        job = hub.open_job(JobDescription.from_dict(describe())).job
        with hub.store.database.engine.connect() as connection:
            driver = connection.connection.driver_connection
        hub.clock.sleep(1.1)  # lies idle, so it is asked before it is used
        with other.store.database.writing() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid})")
        assert hub.open_trial(job, "trial-0001", TrialRequest()).number == 1
