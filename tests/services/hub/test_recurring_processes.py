"""Real training processes against a live hub that is killed meanwhile; and the Trainer of Hugging Face."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hub_stage import CLOCK, Server

pytest.importorskip("fastapi", reason="the extra hub is not installed")
pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.jobs import core
from joulewise.jobs.hub import Hub

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import joulewise as jw
from joulewise.clock import MonotonicClock
from joulewise.sim.training import SimulatedTraining

url, spool, recurrences, pause_s = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
for recurrence in range(recurrences):
    world = SimulatedTraining("v100", steps=1, seed=recurrence)
    job = jw.recurring("nightly", [16, 32, 64], target=0.9, max_epochs=12, hub=url, lease_s=600.0,
                       devices=world.devices, clock=world.clock, spool=spool)
    while not job.is_reached:
        with job:
            world.steps = 4 * 64 // job.batch_size
            for epoch in job.epochs():
                list(world)
                MonotonicClock().sleep(pause_s)
                job.epoch_end(0.95 if epoch == 3 + recurrence % 2 else 0.1)
    print(job.is_reached, job.note.replace("\\n", " "), flush=True)
"""


def test_hub_killed_under_training_processes_loses_no_run(tmp_path):
    """Every process ends well; every run reaches its target, and, sooner or later, the hub knows."""
    server = Server(tmp_path / "jobs.db").start()
    words = [sys.executable, "-W", "error", "-c", SCRIPT, server.url, str(tmp_path / "spool"), "4", "0.15"]
    try:
        children = [
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
        ]
        for _ in range(3):
            CLOCK.sleep(1.5)
            server.kill()
            CLOCK.sleep(0.5)
            server.start()
        for child in children:
            said, errors = child.communicate(timeout=120)
            assert child.returncode == 0, errors
            assert [line.split()[0] for line in said.splitlines()] == ["True"] * 4
        last = subprocess.run([*words[:-2], "1", "0.3"], capture_output=True, text=True, check=True)
        assert last.stdout.startswith("True")
    finally:
        server.stop()
    assert not list((tmp_path / "spool").glob("trial-*.json")), "something was not told"
    hub = Hub(tmp_path / "jobs.db")
    job = hub.find("nightly")
    rows = list(hub.store.all_trials(job.id))
    assert core.fold(hub.store.all_events(job.id)) == job.policy
    hub.close()
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert [row.end for row in rows].count("reached") == 13
    assert {row.end for row in rows} <= {"reached", "stopped", None}  # None: the answer was lost with the hub


def test_trainer_of_hugging_face(tmp_path):
    pytest.importorskip("transformers", reason="the extra huggingface is not installed")
    script = f"""
import warnings
import numpy as np, torch
warnings.filterwarnings("ignore")
from transformers import Trainer, TrainingArguments
import joulewise as jw
from joulewise.runtime.recurring_huggingface import RecurringCallback

class Data(torch.utils.data.Dataset):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.x = torch.tensor(rng.normal(size=(64, 4)), dtype=torch.float32)
        self.y = (self.x[:, 0] > 0).long()
    def __len__(self): return 64
    def __getitem__(self, i): return {{"x": self.x[i], "labels": self.y[i]}}

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(4, 2)
    def forward(self, x, labels=None):
        logits = self.line(x)
        return {{"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}}

def metrics(p): return {{"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())}}

with jw.recurring("hf", [8, 16, 32], target={{"eval_accuracy": 0.8}}, max_epochs=50, devices="sim:v100",
                  store={str(tmp_path / "jobs.db")!r}, spool={str(tmp_path / "spool")!r}) as job:
    arguments = TrainingArguments({str(tmp_path / "out")!r}, per_device_train_batch_size=job.batch_size,
        eval_strategy="epoch", num_train_epochs=50, learning_rate=0.05, save_strategy="no", report_to=[],
        disable_tqdm=True, use_cpu=True, logging_strategy="no")
    Trainer(model=Model(), args=arguments, train_dataset=Data(), eval_dataset=Data(), compute_metrics=metrics,
            callbacks=[RecurringCallback(job)]).train()
print("reached", job.is_reached, job.epoch < 50)
"""
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environ)
    assert "reached True True" in done.stdout, done.stderr
    hub = Hub(tmp_path / "jobs.db")
    (row,) = hub.store.trials(hub.find("hf").id)
    hub.close()
    assert row.end == "reached"
    assert "eval_accuracy" in row.metrics
