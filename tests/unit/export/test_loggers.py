"""Measurements reach the real W&B, MLflow and TensorBoard, with bounds and with what they are worth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib.util import find_spec

import pytest
from hypothesis import given

from joulewise.devices.device import Identity, Scope
from joulewise.export.scalars import NOT_ALLOWED, prefix_of, scalars, tags
from joulewise.export.tensorboard import TensorBoardLogger
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.records import Provenance
from measured_records import measurements

GPU, CPU = Identity("GPU-0", "nvidia", "A100", Scope.BOARD), Identity("rapl:package-0", "intel", "Xeon", Scope.PACKAGE)
USED = Energy(100.0, 90.0, 115.0, 5.0, Method.COUNTER, warnings=("too short",))
MEASUREMENT = Measurement(
    "step", 1.7e9, 0, 2 * 10**9, (DeviceEnergy(GPU, USED), DeviceEnergy(CPU, None, failure="gone"))
)
SIMULATED = replace(MEASUREMENT, devices=(DeviceEnergy(GPU, replace(USED, provenance=Provenance.SIMULATED)),))
FIGURES = {
    "energy/step/duration_s": 2.0,
    "energy/step/energy_j": 100.0,
    "energy/step/lo_j": 90.0,
    "energy/step/hi_j": 115.0,
    "energy/step/resolution_j": 5.0,
    "energy/step/mean_power_w": 50.0,
    "energy/step/GPU-0/energy_j": 100.0,
}
WORTH = {
    "energy/step/provenance": "measured",
    "energy/step/method": "counter",
    "energy/step/warnings": "too short",
    "energy/step/failures": "rapl:package-0: gone",
}


def needs(name):
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")


def test_figures_have_bounds_and_tags_say_what_they_are_worth():
    assert scalars(MEASUREMENT) == FIGURES
    assert tags(MEASUREMENT) == WORTH


@given(measurements())
def test_what_is_not_measured_stands_apart_under_a_name_that_every_logger_takes(measurement):
    told = measurement.total
    marked = told is not None and told.provenance is not Provenance.MEASURED
    for name in [*scalars(measurement), *tags(measurement)]:
        assert name.startswith(f"{told.provenance}/energy/" if marked else "energy/")
        assert not NOT_ALLOWED.search(name)


class Writer:
    def __init__(self):
        self.rows = []

    def add_scalar(self, tag, value, step, /):
        self.rows.append((tag, value, step))


def test_steps_count_per_window():
    writer = Writer()
    log = TensorBoardLogger(writer)
    for one in (MEASUREMENT, replace(MEASUREMENT, name="epoch"), MEASUREMENT):
        log(one)
    assert [step for tag, _, step in writer.rows if tag == "energy/step/energy_j"] == [0, 1]
    assert [step for tag, _, step in writer.rows if tag == "energy/epoch/energy_j"] == [0]


@needs("tensorboard")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["torch.utils.tensorboard", "tensorboard.summary"])
def test_tensorboard_reads_it_back(tmp_path, kind):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    module = pytest.importorskip(kind, reason=f"{kind} is not installed")
    writer = getattr(module, "SummaryWriter", None) or module.Writer
    writer = writer(str(tmp_path))
    log = TensorBoardLogger(writer)
    log(MEASUREMENT)
    log(SIMULATED)
    writer.flush()
    writer.close()
    seen = EventAccumulator(str(tmp_path))
    seen.Reload()
    names = seen.Tags()
    found = names["scalars"] or names["tensors"]
    assert set(FIGURES) <= set(found)
    assert prefix_of(SIMULATED) == "simulated/energy/step"
    assert "simulated/energy/step/energy_j" in found
    if names["scalars"]:
        assert {name: seen.Scalars(name)[0].value for name in FIGURES} == FIGURES
        assert "energy/step/provenance/text_summary" in names["tensors"]


@needs("mlflow")
@pytest.mark.slow
def test_mlflow_reads_it_back(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import mlflow  # noqa: PLC0415

        from joulewise.export.mlflow import MlflowLogger  # noqa: PLC0415

        mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
        mlflow.create_experiment("joulewise", artifact_location=str(tmp_path / "artifacts"))
        mlflow.set_experiment("joulewise")
        with mlflow.start_run() as run:
            log = MlflowLogger()
            log(MEASUREMENT)
            log(replace(MEASUREMENT, begin_ns=10**9))
        data = mlflow.get_run(run.info.run_id).data
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "energy/step/duration_s")
    assert {name: data.metrics[name] for name in FIGURES} == FIGURES | {
        "energy/step/duration_s": 1.0,
        "energy/step/mean_power_w": 100.0,
    }
    assert {name: data.tags[name] for name in WORTH} == WORTH
    assert [(one.step, one.value) for one in history] == [(0, 2.0), (1, 1.0)]


WANDB = """
import json, sys, wandb
from joulewise.export.wandb import WandbLogger
from test_loggers import MEASUREMENT
run = wandb.init(mode="offline", project="joulewise", dir=sys.argv[1])
WandbLogger(run)(MEASUREMENT)
run.log({"loss": 1.0})
json.dump([dict(run.summary), run.step], open(sys.argv[1] + "/said.json", "w"))
run.finish()
"""


@needs("wandb")
@pytest.mark.slow
def test_wandb_takes_it_offline(tmp_path):
    folders = {name: str(tmp_path) for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
    here = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    environ = os.environ | folders | {"WANDB_SILENT": "true", "WANDB_MODE": "offline", "PYTHONPATH": here}
    done = subprocess.run(
        [sys.executable, "-c", WANDB, str(tmp_path)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary, step = json.loads((tmp_path / "said.json").read_text())
    assert {name: summary[name] for name in WORTH} == WORTH
    assert step == 1  # the measurement joined the program's own step
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"energy/step/energy_j" in file.read_bytes()
