"""``joulewise whatif`` on what ``joulewise tune`` wrote, on real clusters, and after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from joulewise.clock import MonotonicClock
from joulewise.errors import InputFileError, UsageError
from joulewise.sim.whatif.workload import open_job

SOURCE = Path(__file__).parents[3] / "src"
VERB = "from joulewise.cli import main; main()"
PROFILE = ("sim:a100", "--stages", "2", "--microbatches", "3", "--today", "clock-step=120")
ASKED = ("--vary", "switch-latency=0,1ms,inf", "--vary", "domains=device,partition,job")
STEPS = """
import time
for i in range(300):
    end = time.monotonic() + 0.004
    while time.monotonic() < end: pass
    print('step', i, flush=True)
"""
TRIED = {
    "schema": "joulewise.frontier/1", "time_s": [0.05, 0.06], "energy_j": [20.0, 12.0], "time_sd_s": [0.0, 0.0],
    "energy_sd_j": [0.0, 0.0], "samples": [5, 5], "provenance": ["measured"] * 2, "wait_power_w": 0.0, "bound": None,
    "settings": [400.0, 200.0],
}  # fmt: skip


def environment(before: Path | None = None) -> dict[str, str]:
    path = [str(part) for part in (before, SOURCE, os.environ.get("PYTHONPATH")) if part]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "RAY_USAGE_STATS_ENABLED": "0", "COLUMNS": "80"}


def joulewise(*words: str, env: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-c", VERB, *words]
    done = subprocess.run(
        command, env=env or environment(), capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def figures(tmp_path: Path, name: str, *words: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """What is printed, and what is written."""
    file = tmp_path / f"{name}.json"
    said = joulewise("whatif", *PROFILE, *ASKED, "--json", str(file), *words, env=env)
    return said, file.read_text(encoding="utf-8")


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(seen: object, process: subprocess.Popen[bytes]) -> None:
    clock = MonotonicClock()
    while not seen():  # type: ignore[operator]
        assert process.poll() is None, "it ended before"
        clock.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
def test_processes_and_dask_give_what_one_process_gives(tmp_path: Path) -> None:
    serial = figures(tmp_path, "serial", "--processes", "1")
    assert figures(tmp_path, "processes", "--processes", "2") == serial
    told = tmp_path / "scheduler.json"
    dask, here = (sys.executable, "-m", "dask"), ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    with (
        running(*dask, "scheduler", *here, "--scheduler-file", str(told)) as scheduler,
        running(*dask, "worker", "--scheduler-file", str(told), "--nworkers", "2", "--nthreads", "1", "--no-dashboard",
                "--local-directory", str(tmp_path)),
    ):  # fmt: skip
        wait_for(told.is_file, scheduler)
        address = json.loads(told.read_text(encoding="utf-8"))["address"].replace("tcp://", "dask://")
        assert figures(tmp_path, "dask", "--on", address) == serial


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_what_one_process_gives(tmp_path: Path) -> None:
    # Ray 2.60 imports amdsmi, which fails without AMD's library, and not with the ImportError that Ray is prepared for.
    (tmp_path / "amdsmi.py").write_text("raise ImportError('not looked for here')\n")
    serial = figures(tmp_path, "serial", "--processes", "1")
    assert figures(tmp_path, "ray", "--on", "ray", env=environment(tmp_path)) == serial


@pytest.mark.slow
def test_an_interrupted_question_keeps_its_points_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="keeping points needs pyarrow")
    kept = tmp_path / "points.parquet"
    command = [sys.executable, "-c", VERB, "whatif", *PROFILE, *ASKED, "--resume", str(kept), "--processes", "1"]
    with running(*command) as process:
        wait_for(lambda: any(tmp_path.rglob("[!.]*.parquet")), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    before = kept.read_bytes()
    said = figures(tmp_path, "resumed", "--resume", str(kept), "--processes", "1")
    assert len(before) > 0
    assert said == figures(tmp_path, "whole", "--processes", "1")


@pytest.mark.slow
def test_what_tune_wrote_is_a_workload(tmp_path: Path) -> None:
    tuned, asked = tmp_path / "tuned.json", tmp_path / "asked.json"
    joulewise(
        "tune", "--device", "sim:v100", "--knob", "power-limit", "--max-slowdown", "1.2", "--marker", "^step", "--json",
        str(tuned), "--", sys.executable, "-c", STEPS,
    )  # fmt: skip
    tuning = json.loads(tuned.read_text(encoding="utf-8"))
    if not tuning["decided"] or tuning["chosen"]["setting"] == tuning["default"]["setting"]:
        pytest.skip(f"the machine was too busy for a tuning: {tuning['refusal'] or tuning['failure'] or 'undecided'}")
    joulewise("whatif", str(tuned), "--vary", "control=denied,allowed", "--json", str(asked))
    document = json.loads(asked.read_text(encoding="utf-8"))
    assert {cell["provenance"] for cell in document["grid"]} == {"simulated"}
    denied, allowed = document["grid"]
    assert denied["energy_j"]["1.2x"] >= allowed["energy_j"]["1.2x"] > 0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"frontier": None}, "holds no tuned job"),
        ([1], "holds no tuned job"),
        ({"a": 1}, "not a frontier"),
        ({"knob": "core-clock", "frontier": TRIED}, "another knob"),
        ({"frontier": {**TRIED, "settings": [{"core": 1}, 200.0]}}, "setting"),
    ],
)
def test_a_file_that_tells_of_no_tuned_job_is_named(tmp_path: Path, document: object, said: str) -> None:
    file = tmp_path / "tuned.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputFileError, match=rf"(?s)tuned\.json.*{said}"):
        open_job(str(file))


def test_a_tuned_job_is_read_with_its_limits_and_powers(tmp_path: Path) -> None:
    file = tmp_path / "tuned.json"
    file.write_text(json.dumps({"knob": "power-limit", "frontier": TRIED}), encoding="utf-8")
    job = open_job(str(file))
    assert job.settings == (200.0, 400.0)
    assert job.time_s == (0.06, 0.05)
    assert job.power_w == pytest.approx((200.0, 400.0))


def test_a_setting_that_the_frontier_left_out_is_there_as_the_default(tmp_path: Path) -> None:
    file = tmp_path / "tuned.json"
    alone = {name: value[1:] if isinstance(value, list) else value for name, value in TRIED.items()}
    default = {"setting": 400.0, "step_s": 0.07, "step_j": 21.0}
    file.write_text(json.dumps({"knob": "power-limit", "frontier": alone, "default": default}), encoding="utf-8")
    assert open_job(str(file)).settings == (200.0, 400.0)


def test_what_cannot_be_written_is_said_before_anything_is_planned(tmp_path: Path) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415

    from joulewise.cli import make_app  # noqa: PLC0415

    words = ["whatif", "sim:a100", "--html", str(tmp_path / "absent" / "page.html")]
    result = CliRunner().invoke(make_app(), words)
    assert isinstance(result.exception, UsageError)
    assert "nothing was planned" in str(result.exception)
