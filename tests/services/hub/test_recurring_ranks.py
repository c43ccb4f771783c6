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
job = jw.recurring("ranks", [int(size) for size in sys.argv[3].split()],
                   default=16, target=0.9, max_epochs=6, store=f"{folder}/jobs.db",
                   spool=f"{folder}/spool", devices="sim:v100")
sizes, heard = [], []
for recurrence in range(2):
    with job:
        sizes.append(job.batch_size)
        for epoch in job.epochs():
            job.epoch_end(0.95 if rank == 0 and epoch == 2 else 0.1)  # ranks may see different metrics
        heard.append("reached" if job.is_reached else "cut")  # a size that is tried may be cut, if the machine dawdles
        assert epoch == 2 or not job.is_reached
dist.barrier()
dist.destroy_process_group()
print(*sizes, *heard)
"""


@pytest.mark.parametrize("sizes", ["16", "16 32 64"])
def test_ranks_hear_the_same_and_are_one_trial(tmp_path, sizes):
    pytest.importorskip("torch", reason="torch is not installed")
    words = [sys.executable, "-c", SCRIPT]
    ranks = [
        subprocess.Popen(
            [*words, str(rank), str(tmp_path), sizes], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    told = [rank.communicate(timeout=240) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], told
    assert told[0][0] == told[1][0]
    first, second = told[0][0].split()[2:]
    assert first == "reached"
    hub = Hub(tmp_path / "jobs.db")
    rows = hub.store.trials(hub.find("ranks").id)
    hub.close()
    assert len(rows) == 2
    assert (rows[0].end, rows[0].epochs) == ("reached", 3.0)
    assert (rows[1].end == "reached") == (second == "reached")
    if sizes == "16":  # the best known is never cut
        assert [(row.end, row.epochs) for row in rows] == [("reached", 3.0)] * 2
