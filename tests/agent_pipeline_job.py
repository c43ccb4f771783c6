"""Trains the transformer of pipeline_job.py without us, then by a hub's plan on devices of an agent. Run by torchrun.

The hub's address is in HUB, the agent's in JOULEWISE_AGENT. At some iterations each rank leaves at-NAME-N in the folder
of ``--out`` and waits for go-NAME, so that whoever watches can end what he likes in between.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch
import torch.distributed as dist

import joulewise as jw
from joulewise.clock import MonotonicClock
from joulewise.runtime.pipeline.hub_link import HubLink
from joulewise.runtime.pipeline.hub_port import HttpPipelineHub
from joulewise.wire.pipeline_hub import PipelineJob
from pipeline_job import LENGTH, MICROBATCHES, VOCABULARY, make_schedule

STOPS = {5: "planned", 10: "without hub", 15: "without agent"}
ITERATIONS = 20
PATIENCE_S = 60.0


def until(condition, link=None) -> None:
    clock = MonotonicClock()
    for _ in range(round(PATIENCE_S / 0.01)):
        if condition():
            return
        clock.sleep(0.01)
    raise AssertionError(f"it did not happen in time; {link.describe() if link else None}")


def train(folder: Path, *, ours: bool) -> dict:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    schedule, _, _ = make_schedule("1F1B", rank, ranks)
    optimizer = torch.optim.Adam(schedule._stage.submod.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(1)
    report, engine = {"losses": [], "clocks": [], "failures": {}}, None
    if ours:
        link = HubLink(HttpPipelineHub(os.environ["HUB"], timeout_s=2.0), "job", PipelineJob(1, ranks), rank=rank)
        engine = jw.pipeline(schedule, device="agent:", hub=link, profile=False)
    for iteration in range(ITERATIONS):
        if engine is not None and (stop := STOPS.get(iteration)):
            if stop == "planned":
                until(lambda: link.plan, link)
            (folder / f"at-{stop}-{rank}").touch()
            until((folder / f"go-{stop}").exists)
        tokens = torch.randint(VOCABULARY, (MICROBATCHES, LENGTH), generator=generator)
        optimizer.zero_grad()
        losses: list[torch.Tensor] = []
        last = rank == ranks - 1
        schedule.step(*([] if rank else [tokens]), target=tokens.roll(-1, 1) if last else None, losses=losses)
        optimizer.step()
        report["losses"].append([float(one.detach()) for one in losses])
        if engine is not None:
            report["clocks"].append(len({ran.clock_mhz for ran in engine.iterations[-1].ran}))
            report["failures"][iteration] = engine.failure
    if engine is not None:
        engine.close()
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    report = {"without": train(folder, ours=False), "ours": train(folder, ours=True)}
    (folder / f"rank-{dist.get_rank()}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
