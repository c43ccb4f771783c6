"""``joulewise plan`` as people use it: files, figures that agree, and refusals that leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from joulewise.frontier import Frontier

ROOT = Path(__file__).parents[3]
PROFILE = ROOT / "examples" / "profiles" / "sim-a100-8stages.csv"
CODE = "from joulewise.cli import main; main()"


def joulewise(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    arguments = [sys.executable, "-c", CODE, "plan", *map(str, words)]
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    run = joulewise(PROFILE, "--microbatches", 6, "--straggler", 1.2, "--plans", 30, "-o", folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_row_has_a_file_and_each_says_what_it_is(planned: Path) -> None:
    names = sorted(path.name for path in planned.iterdir())
    assert names == ["frontier.json", "plan-least-energy.json", "plan-straggler-1.2.json", "plan.json", "report.html"]
    plan = json.loads((planned / "plan.json").read_text())
    page = (ROOT / "docs" / "reference" / "plan-format.md").read_text(encoding="utf-8")
    fields = set(
        re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in page.splitlines() if line[:3] == "| `"))
    )
    assert set(plan) == fields
    assert sum(len(rank["steps"]) for rank in plan["ranks"]) == 8 * 6 * 2


def test_no_plan_of_the_frontier_beats_the_one_of_least_energy(planned: Path) -> None:
    document = json.loads((planned / "frontier.json").read_text())
    frontier = Frontier.from_dict(document)
    least = json.loads((planned / "plan-least-energy.json").read_text())
    assert least["realised"]["energy_j"] <= frontier.energy_j.min()
    assert len(document["operations"]) == len(document["settings"][0]) == 8 * 6 * 2


def test_a_small_graph_reaches_its_exact_end(tmp_path: Path) -> None:
    def options(fast_s: float, slow_s: float) -> list[dict[str, float]]:
        fast = {"time_s": fast_s, "energy_j": 300 * fast_s, "setting": 1410}
        return [fast, {"time_s": slow_s, "energy_j": 200 * slow_s, "setting": 1110}]

    operations = [
        {"name": "f0", "rank": 0, "options": options(0.1, 0.12)},
        {"name": "f1", "rank": 1, "options": options(0.1, 0.15), "after": ["f0"]},
    ]
    graph = {"schema": "joulewise.dag/1", "wait_power_w": [0, 0], "operations": operations}
    (tmp_path / "g.json").write_text(json.dumps(graph))
    assert joulewise(tmp_path / "g.json", "-o", tmp_path / "out").returncode == 0
    least = json.loads((tmp_path / "out" / "plan-least-energy.json").read_text())
    assert least["realised"]["energy_j"] == pytest.approx(200 * (0.12 + 0.15))


@pytest.mark.slow
def test_baselines_pay_for_their_switches_too(tmp_path: Path) -> None:
    def envpipe(latency_s: float) -> str:
        run = joulewise(
            PROFILE, "--microbatches", 4, "--plans", 5, "--slowdown", 1.1, "--switch-latency", latency_s, "-o", tmp_path
        )
        assert run.returncode == 0, run.stderr
        return next(line for line in run.stdout.splitlines() if line.strip().startswith("EnvPipe"))

    assert envpipe(0.0) != envpipe(0.005)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--straggler", "0.5"], "--straggler is not usable"),
        (["--slowdown", "nan"], "--slowdown is not usable"),
        (["--slowdown", "0.5"], "no plan takes at most"),
        (["--wait-power", "much"], "--wait-power is not a number"),
        (["--schedule", "gnome"], "unknown schedule"),
        (["--solver", "oracle"], "unknown solver"),
    ],
)
def test_refusals_leave_nothing_behind(words: list[str], said: str, tmp_path: Path) -> None:
    run = joulewise(PROFILE, *words, "-o", tmp_path / "out")
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        run = joulewise(PROFILE, "-o", place)
        assert run.returncode == 2
        assert "cannot write into" in run.stderr
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.slow
def test_switches_that_scatter_are_planned_and_written(tmp_path: Path) -> None:
    switches = ("--switch-latency", 0.004, "--switch-latency-to", "1410:0.008", "--switch-jitter", 0.4)
    words = (PROFILE, "--microbatches", 2, "--plans", 3, "--slowdown", 1.1, *switches, "--confidence", 0.9)
    run = joulewise(*words, "-o", tmp_path)
    assert run.returncode == 0, run.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (plan["switch_jitter_frac"], plan["confidence"], plan["switch_latencies_s"]) == (0.4, 0.9, [[1410.0, 0.008]])
    assert plan["expected"]["time_s"] <= plan["realised"]["time_s"] <= plan["deadline_s"]
    assert "90% of iterations" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [(("--switch-latency-to", "fast"), "--switch-latency-to"), (("--confidence", 1.5), "confidence")],
)
def test_unusable_switches_are_refused(tmp_path: Path, wrong: tuple[object, ...], text: str) -> None:
    run = joulewise(PROFILE, *wrong, "-o", tmp_path / "none")
    assert run.returncode == 2
    assert text in run.stderr
