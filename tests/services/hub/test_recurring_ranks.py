"""Several ranks of one job: one speaks with the hub, all hear the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.jobs.hub import Hub

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import torch.distributed as dist
import joulewise as jw

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
job = jw.recurring("ranks", [16, 32, 64], default=16, target=0.9, max_epochs=6, store=f"{folder}/jobs.db",
                   spool=f"{folder}/spool", devices="sim:v100")
sizes = []
for recurrence in range(2):
    with job:
        sizes.append(job.batch_size)
        for epoch in job.epochs():
            job.epoch_end(0.95 if rank == 0 and epoch == 2 else 0.1)  # ranks may see different metrics
        assert job.is_reached, rank
        assert epoch == 2
dist.barrier()
dist.destroy_process_group()
print(*sizes)
"""


def test_ranks_hear_the_same_and_are_one_trial(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    words = [sys.executable, "-c", SCRIPT]
    ranks = [
        subprocess.Popen([*words, str(rank), str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    said = []
    for rank in ranks:
        out, errors = rank.communicate(timeout=240)
        assert rank.returncode == 0, errors
        said.append(out)
    assert said[0] == said[1]
    hub = Hub(tmp_path / "jobs.db")
    rows = hub.store.trials(hub.find("ranks").id)
    hub.close()
    assert [(row.end, row.epochs) for row in rows] == [("reached", 3.0)] * 2
