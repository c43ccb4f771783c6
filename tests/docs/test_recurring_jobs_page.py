"""The pages on recurring jobs: routes are those that there are, and the example runs and learns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
API = (ROOT / "docs" / "reference" / "hub-api.md").read_text(encoding="utf-8")


def test_routes_of_the_page_are_those_of_the_hub(tmp_path):
    pytest.importorskip("fastapi", reason="the extra hub is not installed")
    from joulewise.jobs.hub import Hub  # noqa: PLC0415 (needs the extra)
    from joulewise.services.hub.server import make_app  # noqa: PLC0415 (as above)

    hub = Hub(tmp_path / "jobs.db")
    document = make_app(hub, asks_for_tokens=False).openapi()
    hub.close()
    there = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if "/pipelines" not in path
    }
    said = {call for row in re.findall(r"^\| (`.*?) \|", API, re.MULTILINE) for call in re.findall(r"`([^`]+)`", row)}
    assert {call for call in said if "/pipelines" not in call} == there


@pytest.mark.slow
def test_example_runs_and_learns(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    script = [sys.executable, ROOT / "examples" / "recurring_digits.py", tmp_path / "digits.db"]
    done = subprocess.run([str(word) for word in script], capture_output=True, text=True, check=True, env=environ)
    lines = [
        re.fullmatch(r" ?(\d+): batch size +(\d+), (\w+) after (\d+) epochs", one) for one in done.stdout.splitlines()
    ]
    reached = [(int(line[1]), int(line[2])) for line in lines if line[3] == "reached"]
    assert [recurrence for recurrence, _ in reached] == list(range(1, 11))
    assert reached[0][1] == 4
    assert max(size for _, size in reached[-5:]) > 4  # the default is by far the slowest
