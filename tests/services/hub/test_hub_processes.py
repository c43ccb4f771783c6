"""Several server processes on one database, killed and started again, on SQLite and on PostgreSQL: nothing is lost."""

from __future__ import annotations

import http.client
import itertools
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from hub_stage import CLOCK, Server, describe, postgresql, report, serving

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.jobs import core
from joulewise.jobs.database import HEAD
from joulewise.jobs.hub import Hub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    return tmp_path / "jobs.db" if request.param == "sqlite" else request.getfixturevalue("cluster")


_COUNTER = itertools.count()


def job_of(server, **fields):
    status, answer = server.ask("POST", "/v1/jobs", describe(f"job-{next(_COUNTER)}", **fields))
    assert status == 201, answer
    return answer["job"]


def check_whole(store, job, trials):
    """Numbers dense, each told once, and what the policy knows is what its events say, one after the other."""
    hub = Hub(store)
    try:
        (found,) = [one for one in hub.store.jobs() if one.id == job]
        events = list(hub.store.all_events(job))
        rows = list(hub.store.all_trials(job))
    finally:
        hub.close()
    assert [row.number for row in rows] == list(range(1, trials + 1))
    assert {row.end for row in rows} == {"reached"}
    assert [event.seq for event in events] == list(range(1, found.seq + 1))
    told = [event.body["trial"] for event in events if event.kind == "told"]
    assert sorted(told) == list(range(1, trials + 1))
    assert core.fold(events) == found.policy


def test_4_processes_x_200_parallel_requests(store):
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(store)) for _ in range(4)]
        job = job_of(servers[0])

        def run(index):
            server, trial = servers[index % 4], f"trial-{index:05}"
            opened = server.ask("PUT", f"/v1/jobs/{job}/trials/{trial}", {})
            told = server.ask("POST", f"/v1/jobs/{job}/trials/{trial}/reports", report(1, 3, accuracy=0.95))
            return opened[0], told[0], opened[1]["number"]

        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(run, range(400)))
        assert {answer[:2] for answer in answers} == {(200, 200)}
        assert sorted(answer[2] for answer in answers) == list(range(1, 401))
        check_whole(store, job, 400)


def test_processes_that_start_at_once_migrate_once(tmp_path):
    store = tmp_path / "new.db"
    servers = [Server(store) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Server.start, servers))
        assert all(server.ask("GET", "/healthz")[1]["migration"] == HEAD for server in servers)
    finally:
        for server in servers:
            server.stop()


def test_several_workers_of_one_server(tmp_path):
    with serving(tmp_path / "jobs.db", "--workers", 2) as server:
        job = job_of(server)
        with ThreadPoolExecutor(40) as pool:
            numbers = pool.map(
                lambda index: server.ask("PUT", f"/v1/jobs/{job}/trials/trial-{index:05}", {})[1]["number"], range(80)
            )
            assert sorted(numbers) == list(range(1, 81))


CAMPAIGN = pytest.mark.skipif(
    not os.environ.get("JOULEWISE_HUB_CAMPAIGN"), reason="takes a quarter of an hour: set JOULEWISE_HUB_CAMPAIGN=1"
)


def test_text_that_a_database_cannot_hold_is_the_clients_mistake(store):
    with serving(store) as server:
        assert server.ask("GET", "/v1/jobs/%00")[0] in (404, 422)
        assert server.ask("POST", "/v1/jobs/x/trials/%00/heartbeat")[0] in (404, 422)


@pytest.mark.parametrize(
    ("clients", "trials", "kills"), [(64, 500, 4), pytest.param(64, 10_000, 20, marks=CAMPAIGN)], ids=["short", "long"]
)
def test_killed_server_loses_nothing_and_counts_nothing_twice(store, clients, trials, kills):
    """Clients that ask again with the same ids until they are answered, while the server dies and comes back."""
    server = Server(store).start()
    job = job_of(server)
    todo, lock, dead = iter(range(trials)), threading.Lock(), threading.Event()

    def insist(method, path, body):
        while True:
            try:
                status, answer = server.ask(method, path, body, timeout_s=20.0)
            except (OSError, http.client.HTTPException, ValueError):
                CLOCK.sleep(0.05)
                continue
            if status == 503:
                continue
            assert status == 200, answer
            return answer

    def work(seed):
        rng = random.Random(seed)
        while not dead.is_set():
            with lock:
                index = next(todo, None)
            if index is None:
                return
            trial = f"trial-{index:05}"
            insist("PUT", f"/v1/jobs/{job}/trials/{trial}", {"lease_s": 600.0})
            for number in (1, 2):
                epochs, accuracy = number * rng.choice([1, 2]), 0.95 if number == 2 else 0.5
                for _ in range(rng.choice([1, 1, 2])):  # some say it twice
                    insist("POST", f"/v1/jobs/{job}/trials/{trial}/reports", report(number, epochs, accuracy=accuracy))

    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        for kill in range(kills):
            while server.ask("GET", f"/v1/jobs/{job}", timeout_s=600.0)[1]["trials"] < (kill + 1) * trials // (
                kills + 2
            ):
                CLOCK.sleep(0.05)
            server.kill()
            server.start()
        for thread in threads:
            thread.join(3600)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        dead.set()
        server.stop()
    check_whole(store, job, trials)
