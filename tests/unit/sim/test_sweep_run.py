"""Sweeps: what is refused, what is kept, and what an interruption or a killed process leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from joulewise.clock import MonotonicClock
from joulewise.errors import InputFileError, UsageError
from joulewise.sim.sweep import open_executor, run_sweep
from sweep_job import SLOW
from sweep_points import Point, digest_of, grid, of_point, rooted, serial, slowly

TESTS = Path(__file__).parents[2]
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def lost(point: Mapping[str, float]) -> dict[str, float]:
    os._exit(int(point["x"]))


def mixed(point: Mapping[str, float]) -> dict[str, float | str]:
    return {"y": "text" if point["x"] > 1 else 1.0}


def echo(point: Mapping[str, float]) -> dict[str, float]:
    return dict(point)


def test_processes_give_the_same_rows() -> None:
    with open_executor(processes=2) as executor:
        assert run_sweep(partial(rooted, spin=50), grid(300), executor=executor) == serial(300)


def test_one_process_is_this_one() -> None:
    with open_executor(processes=1) as executor:
        assert executor is None


def test_points_may_be_dataclasses() -> None:
    rows = run_sweep(of_point, [Point(1.5, "a"), Point(2.0)])
    assert [row["double"] for row in rows] == [3.0, 4.0]
    assert rows[0].point == {"x": 1.5, "word": "a"}


def test_a_point_that_raises_is_told_and_the_others_kept() -> None:
    row, other = run_sweep(rooted, [{"x": 13.0}, {"x": 4.0}])
    assert row.error == "ValueError: thirteen"
    with pytest.raises(UsageError, match=r"failed at \{'x': 13.0\}; ValueError: thirteen"):
        row["root"]
    assert other["root"] == 2.0
    assert other.error is None
    with pytest.raises(UsageError, match="no such field"):
        other["roof"]


def test_failed_points_are_tried_again(tmp_path: Path) -> None:
    store, log = tmp_path / "s.parquet", tmp_path / "log"
    for _ in range(2):
        run_sweep(partial(rooted, log=str(log)), [{"x": 13.0}, {"x": 4.0}], store=store)
    assert log.read_text().split() == ["13.0", "4.0", "13.0"]


@pytest.mark.parametrize(
    ("evaluate", "points", "said"),
    [
        (mixed, [{"x": 1.0}, {"x": 2.0}], "another kind"),
        (echo, [{"x": 1.0}], "repeats fields"),
        (rooted, [{"x": 1.0}, {"y": 1.0}], "differ in their fields"),
        (rooted, [{"x": 1.0}, {"x": True}], "another kind"),
        (rooted, [{"x": float("nan")}], "not a number"),
        (rooted, [{"x": [1.0]}], "no JSON scalar"),
        (rooted, [3.0], "no record"),
    ],
)
def test_what_is_no_table_is_refused(evaluate: object, points: list[object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run_sweep(evaluate, points)  # type: ignore[arg-type]


def test_a_function_that_cannot_travel_is_refused() -> None:
    with open_executor(processes=2) as executor, pytest.raises(UsageError, match="top-level function"):
        run_sweep(lambda point: {"y": point["x"]}, [{"x": 1.0}], executor=executor)


def test_workers_that_die_are_told() -> None:
    with pytest.raises(UsageError, match="lost its workers"), open_executor(processes=2) as executor:
        run_sweep(lost, grid(4), executor=executor)


def test_a_store_is_one_file_with_a_column_for_every_field(tmp_path: Path) -> None:
    store = tmp_path / "s.parquet"
    run_sweep(rooted, [{"x": -4.0}, {"x": 9.0}], store=store)
    table = parquet.read_table(store)
    assert table.column_names == ["x", "root", "sign", "whole"]
    assert sorted(table["root"].to_pylist()) == [2.0, 3.0]
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


def test_a_store_of_other_inputs_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "s.parquet"
    run_sweep(partial(rooted, spin=1), grid(3), store=store)
    with pytest.raises(InputFileError, match=r"another sweep.*inputs was"):
        run_sweep(partial(rooted, spin=2), grid(3), store=store)
    with pytest.raises(InputFileError, match=r"function was sweep_points\.rooted, is sweep_points\.slowly"):
        run_sweep(partial(slowly, log="elsewhere"), grid(3), store=store)
    with pytest.raises(InputFileError, match="fields of points were"):
        run_sweep(partial(rooted, spin=1), [{"x": 1.0, "y": 1.0}], store=store)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "s.parquet"
    store.write_bytes(b"not parquet")
    with pytest.raises(InputFileError, match="no store of a sweep"):
        run_sweep(rooted, grid(3), store=store)
    assert store.read_bytes() == b"not parquet"


def test_a_store_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(UsageError, match="cannot write"):
        run_sweep(partial(rooted, log=str(log)), grid(3), store=tmp_path / "nowhere" / "s.parquet")
    assert not log.exists()


def test_a_file_as_input_counts_with_its_content(tmp_path: Path) -> None:
    store, file = tmp_path / "s.parquet", tmp_path / "fixed.txt"
    file.write_text("abc")
    rows = run_sweep(partial(digest_of, file=file), [{"x": 1.0}], store=store)
    assert run_sweep(partial(digest_of, file=file), [{"x": 1.0}], store=store) == rows
    file.write_text("abcd")
    with pytest.raises(InputFileError, match="inputs was"):
        run_sweep(partial(digest_of, file=file), [{"x": 1.0}], store=store)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interruption_keeps_what_is_finished(tmp_path: Path, workers: int) -> None:
    store, points = tmp_path / "s.parquet", grid(200)

    def interrupt(done: int, _total: int) -> None:
        if done > 50:
            raise KeyboardInterrupt

    executor = ThreadPoolExecutor(workers) if workers else None
    with pytest.raises(KeyboardInterrupt):
        run_sweep(rooted, points, executor=executor, store=store, on_progress=interrupt)
    if executor:
        executor.shutdown()
    kept = parquet.read_table(store).num_rows
    assert 50 <= kept < 200
    told: list[int] = []
    rows = run_sweep(rooted, points, store=store, on_progress=lambda done, _total: told.append(done))
    assert told[0] == kept
    assert rows == run_sweep(rooted, points)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    store, log = tmp_path / "s.parquet", tmp_path / "log"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(TESTS / "sweep_job.py"), "killed", str(store), str(log)]
    job = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, start_new_session=True)
    clock, parts = MonotonicClock(), tmp_path / "s.parquet.parts"
    while len(list(parts.glob("[!.]*.parquet"))) < 4:
        assert job.poll() is None, "the job ended by itself"
        clock.sleep(0.01)
    os.kill(job.pid, how)
    job.wait(20)
    while _is_there(job.pid):  # its workers leave as well
        clock.sleep(0.01)
    files = [store] if how == signal.SIGINT else list(parts.glob("[!.]*.parquet"))
    kept = sum(parquet.read_table(file).num_rows for file in files)
    calls = len(log.read_text().split())
    assert 0 < kept <= calls
    rows = run_sweep(partial(slowly, log=str(log)), grid(SLOW), store=store)
    assert rows == run_sweep(rooted, grid(SLOW))
    assert len(log.read_text().split()) == calls + SLOW - kept  # nothing that was kept is evaluated again
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["log", "s.parquet"]


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
