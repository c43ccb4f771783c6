"""Sweeps on a real local Dask cluster and on a real local Ray: the same rows as the serial run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from joulewise.errors import MissingExtraError, UsageError
from joulewise.sim.sweep import open_executor

TESTS = Path(__file__).parents[2]


def run_on(cluster: str, before: Path | None = None) -> str:
    folders = [str(folder) for folder in (before, TESTS, TESTS.parent / "src") if folder]
    path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(TESTS / "sweep_job.py"), cluster]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
def test_dask_gives_the_same_rows() -> None:
    assert "the same 400 rows on dask" in run_on("dask")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_the_same_rows(tmp_path: Path) -> None:
    # Ray 2.60 imports amdsmi, which fails without AMD's library, and not with the ImportError that Ray is prepared for.
    (tmp_path / "amdsmi.py").write_text("raise ImportError('not looked for here')\n")
    assert "the same 400 rows on ray" in run_on("ray", tmp_path)


@pytest.mark.skipif(find_spec("distributed") is not None, reason="Dask is installed")
def test_dask_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"joulewise\[dask\]"), open_executor("dask://127.0.0.1:1"):
        pass


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_ray_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"joulewise\[ray\]"), open_executor("ray"):
        pass


def test_an_engine_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="slurm"), open_executor("slurm"):
        pass


def test_processes_are_not_counted_for_a_cluster() -> None:
    with pytest.raises(UsageError, match="leave one out"), open_executor("ray", 4):
        pass
