"""The hub over HTTP: its description, tokens, metrics, errors; and what people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hub_stage import COMMAND, describe, report, serving

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")


def run(*words, code=0):
    environ = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("hub") / "jobs.db"


@pytest.fixture(scope="module")
def tokens(store):
    return {scope: run("token", "make", scope, "--scope", scope, "--store", store).strip() for scope in SCOPES}


@pytest.fixture(scope="module")
def server(store, tokens):
    with serving(store) as made:
        yield made


SCOPES = ("read", "report", "admin")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(server, tokens):
    """Five trials of a job."""
    answer = server.ask("POST", "/v1/jobs", describe(), token=tokens["report"])[1]
    for index in range(5):
        path = f"/v1/jobs/{answer['job']}/trials/trial-{index:04}"
        assert server.ask("PUT", path, {}, token=tokens["report"])[0] == 200
        told = report(1, 3 + index, accuracy=0.95)
        assert server.ask("POST", f"{path}/reports", told, token=tokens["report"])[0] == 200
    return answer["job"]


def test_every_route_asks_for_a_token_of_its_scope(server, tokens, job):
    document = server.ask("GET", "/openapi.json")[1]
    open_to_all = set()
    ours = {path: methods for path, methods in document["paths"].items() if "/pipelines" not in path}
    for path, methods in ours.items():
        for method in methods:
            url = path.replace("{job}", job).replace("{trial}", "trial-0000").replace("{number}", "1")
            body = {} if method in ("post", "put") else None
            status = server.ask(method.upper(), url, body)[0]
            if status != 401:
                open_to_all.add(path)
                continue
            assert server.ask(method.upper(), url, body, token="read.wrong")[0] == 401
            seen = [server.ask(method.upper(), url, body, token=tokens[scope])[0] for scope in SCOPES]
            needed = next(place for place, one in enumerate(seen) if one != 403)
            assert all(one == 403 for one in seen[:needed])
            assert all(one in (200, 201, 422) for one in seen[needed:]), (path, seen)
            assert needed == (2 if path.endswith(("export", "import")) else 1 if method != "get" else 0)
    assert open_to_all == {"/healthz", "/metrics"}


def test_metrics_are_text_that_prometheus_reads(server, job):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
    families = {one.name: one for one in parser.text_string_to_metric_families(server.ask("GET", "/metrics")[1])}
    (reached,) = [one for one in families["joulewise_hub_trials"].samples if one.labels["end"] == "reached"]
    assert reached.value == 5
    assert families["joulewise_hub_jobs"].samples[0].value == 1
    assert families["joulewise_hub_pipelines"].samples[0].value == 0
    routes = {one.labels["route"] for one in families["joulewise_hub_requests"].samples}
    assert "/v1/jobs/{job}/trials/{trial}" in routes


def test_decisions_reasons_history_and_frontier_can_be_read(server, tokens, job):
    def get(path):
        status, answer = server.ask("GET", f"/v1/jobs/nightly{path}", token=tokens["read"])
        assert status == 200, answer
        return answer

    trials = get("/trials")
    assert [row["number"] for row in trials] == [1, 2, 3, 4, 5]
    assert all(row["reason"] for row in trials)
    assert get("/trials?after=3&limit=1")[0]["number"] == 4
    assert get("/trials/2/observations")[0]["epochs"] == 4.0
    kinds = [one["kind"] for one in get("/history")]
    assert kinds.count("asked") == kinds.count("told") == 5
    frontier = get("/frontier")
    assert frontier["schema"] == "joulewise.frontier/1"
    assert set(frontier["provenance"]) == {"modelled"}
    assert get("")["trials"] == 5


def test_errors_have_three_parts(server, tokens):
    for method, path, body, status in [
        ("GET", "/v1/jobs/nobody", None, 404),
        ("GET", "/v1/jobs/nobody/frontier", None, 404),
        ("POST", "/v1/jobs", describe(policy="magic"), 422),
        ("POST", "/v1/jobs", describe(default=7), 422),
        ("POST", "/v1/jobs", {"name": "x"}, 422),
        ("GET", "/v1/jobs?limit=0", None, 422),
    ]:
        seen, answer = server.ask(method, path, body, token=tokens["admin"])
        assert seen == status
        assert set(answer["detail"]) == {"error", "what", "seen", "fix"}
        assert all(answer["detail"].values())
    assert server.ask("POST", "/v1/jobs", raw=b"x" * 2_000_000, token=tokens["admin"])[0] == 413


def test_all_state_moves_over_http(server, tokens, job, tmp_path):
    lines = server.ask("GET", "/v1/export", token=tokens["admin"])[1]
    assert lines.startswith('{"schema":"joulewise.hub-export/1"}\n')
    with serving(tmp_path / "other.db") as other:
        assert other.ask("POST", "/v1/import", raw=lines.encode())[1] == {"added": [job], "known": []}
        assert other.ask("GET", "/v1/export")[1] == lines


def test_what_people_type(server, store, job, tmp_path):
    assert job[:8] in run("jobs", "--store", store)
    shown = run("show", "nightly", "--store", store)
    assert "5 trials" in shown
    assert "the default size, since none has finished yet" in shown
    assert "energy to target J" in run("show", job, "--frontier", "--store", store)
    assert json.loads(run("show", job, "--frontier", "--json", "--store", store))["schema"] == "joulewise.frontier/1"
    assert json.loads(run("show", job, "--json", "--store", store))["last_trials"][4]["number"] == 5
    assert "asked" in run("show", job, "--history", "--store", store)
    run("export", "--store", store, "-o", tmp_path / "all.jsonl")
    assert run("import", tmp_path / "all.jsonl", "--store", tmp_path / "new.db") == "1 jobs added, 0 were known\n"
    assert run("export", "--store", tmp_path / "new.db") == (tmp_path / "all.jsonl").read_text()
    assert "report: report, until" in run("token", "list", "--store", store)
    assert "no such store" in run("jobs", "--store", tmp_path / "nothing.db", code=2)
    assert not (tmp_path / "nothing.db").exists()
    assert "no such job" in run("show", "nobody", "--store", store, code=2)


def test_schemathesis_finds_no_server_error(tmp_path):
    """Every operation that the hub describes, but import; as of schemathesis 4.32.5."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
    with serving(tmp_path / "jobs.db") as server:
        words = ["run", f"{server.url}/openapi.json", "--max-examples", "25", "-c", "not_a_server_error"]
        words += ["--exclude-path-regex", "/import$", "--phases", "examples,coverage,fuzzing"]
        command = [sys.executable, "-m", "schemathesis.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_open_to_others_without_tokens_is_refused(tmp_path):
    said = run("serve", "--host", "0.0.0.0", "--port", "1", "--store", tmp_path / "jobs.db", code=2)
    assert "nobody has one" in said
