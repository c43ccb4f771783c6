"""The job of pipeline_job.py, planned by a hub: its address is in HUB. Run by torchrun."""

from __future__ import annotations

import os

import pipeline_job
from joulewise.runtime.pipeline.hub_link import HubLink
from joulewise.runtime.pipeline.hub_port import HttpPipelineHub
from joulewise.wire.pipeline_hub import PipelineJob

if __name__ == "__main__":
    ranks = int(os.environ["WORLD_SIZE"])
    port = HttpPipelineHub(os.environ["HUB"], timeout_s=2.0)
    job = PipelineJob(1, ranks, plans=20)
    patience_s = float(os.environ.get("HUB_PATIENCE_S", "60"))
    rank = int(os.environ["RANK"])

    class Planned(HubLink):
        """A link that is asked like a thread."""

        held = 0

        @property
        def is_planned(self) -> bool:
            return self.poll() is not None

    pipeline_job.PLANNING = lambda: Planned(port, "job", job, rank=rank, patience_s=patience_s)
    pipeline_job.main()
