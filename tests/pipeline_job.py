"""Trains a small transformer in a pipeline of CPU processes, with or without us. Run by torchrun.

Writes rank-N.json into the folder of ``--out``: by schedule, the losses (on the rank of the last stage) and what our
engine did.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining.schedules import get_schedule_class

import joulewise as jw
from file_device import FileState
from joulewise.clock import MonotonicClock
from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.runtime.pipeline.gauge import HostGauge
from joulewise.runtime.pipeline.plan_source import PlanningThread
from joulewise.runtime.pipeline.profiling import Phase
from joulewise.sim.torch_twin import TwinGauge
from joulewise.testing import FakeDevice

VOCABULARY, WIDTH, LENGTH, LAYERS, MICROBATCHES = 32, 16, 8, 8, 8
KILLED_AT = 3
CHUNKS = {"Interleaved1F1B": 2, "ZBVZeroBubble": 2, "DualPipeV": 2}


class Block(nn.Module):
    """Attention and a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix, self.project = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.perceptron = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.mix(self.norm(x)).chunk(3, dim=-1)
        scores = torch.softmax(query @ key.transpose(-1, -2) / WIDTH**0.5, dim=-1)
        x = x + self.project(scores @ value)
        return x + self.perceptron(x)


def parts(stages: int) -> list[nn.Module]:
    """A transformer cut into stages, the same on every rank."""
    torch.manual_seed(7)
    layers = [Block() for _ in range(LAYERS)]
    share = LAYERS // stages
    cut = [layers[stage * share : (stage + 1) * share] for stage in range(stages)]
    return [
        nn.Sequential(
            *([nn.Embedding(VOCABULARY, WIDTH)] if stage == 0 else []),
            *cut[stage],
            *([nn.Linear(WIDTH, VOCABULARY)] if stage == stages - 1 else []),
        )
        for stage in range(stages)
    ]


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())


def make_schedule(name: str, rank: int, ranks: int) -> tuple[Any, list[int], int]:
    chunks = CHUNKS.get(name, 1)
    stages = ranks * chunks
    style_v = name in ("ZBVZeroBubble", "DualPipeV")
    mine = [rank, stages - 1 - rank] if style_v else list(range(rank, stages, ranks))
    modules = parts(stages)
    built = [PipelineStage(modules[stage], stage, stages, torch.device("cpu")) for stage in mine]
    kind = get_schedule_class(name)
    single = name in ("GPipe", "1F1B")
    return kind(built[0] if single else built, MICROBATCHES, loss_fn=loss_of), mine, stages


class Held(PlanningThread):
    """Keeps its plan to itself for some iterations, which run at the clocks that were found, on warm chips."""

    held = 0

    def poll(self) -> Any:
        answer = super().poll()
        if answer is not None and self.held > 0:
            self.held -= 1
            return None
        return answer

    @property
    def is_planned(self) -> bool:
        """Whether there is a plan, given or not."""
        return super().poll() is not None


PLANNING: Any = Held
"""Who plans."""


def engine_for(options: argparse.Namespace, name: str, schedule: Any, planning: PlanningThread) -> tuple[Any, Any]:
    """The engine, and its twin or None."""
    rank = dist.get_rank()

    def sweep(operations: Any) -> SweepPlan:
        return SweepPlan(operations, SweepBudget(iterations=options.probes))

    if options.files:
        clock = MonotonicClock()
        state = FileState(options.out / f"device-{rank}.json")
        device = FakeDevice(clock, uid=f"file-{rank}", state=state)
        return jw.pipeline(schedule, device=device, gauge=HostGauge([device], clock), sweep=sweep, hub=planning), None
    twin = TwinGauge.beside(schedule, scale=options.scale, name=name)
    return jw.pipeline(schedule, device=twin.gpu, gauge=twin, sweep=sweep, hub=planning), twin


def true_j(twin: Any) -> float:
    """What a twin has used, as its counter would show it if it did not tick [J]."""
    return float(twin.gpu.true_energy_j() * twin.gpu.board.counter_gain) if twin is not None else 0.0


def summary(engine: Any) -> dict[str, Any]:
    plan = engine.plan
    return {
        "failure": engine.failure,
        "iterations": [
            {"time_s": one.time_s, "energy_j": one.energy_j, "planned": one.planned} for one in engine.iterations
        ],
        "plan": None if plan is None else {key: plan[key] for key in ("realised", "gap_frac", "switches")},
        "order": [
            f"{ran.computation.instruction}/{ran.computation.stage}/{ran.computation.microbatch}"
            for ran in engine.iterations[-1].ran
        ],
    }


def train(options: argparse.Namespace, name: str, *, ours: bool) -> dict[str, Any]:
    """Train from the beginning, with us or without us."""
    rank = dist.get_rank()
    schedule, mine, stages = make_schedule(name, rank, dist.get_world_size())
    held = schedule._stages if hasattr(schedule, "_stages") else [schedule._stage]
    optimizer = torch.optim.Adam([p for stage in held for p in stage.submod.parameters()], lr=1e-2)
    generator = torch.Generator().manual_seed(1)
    planning = PLANNING()
    planning.held = options.held
    engine, twin = engine_for(options, name, schedule, planning) if ours else (None, None)
    used_j = [true_j(twin)]
    losses: list[list[float]] = []
    for iteration in range(options.iterations):
        tokens = torch.randint(VOCABULARY, (MICROBATCHES, LENGTH), generator=generator)
        if rank == options.kill and iteration == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer.zero_grad()
        found: list[torch.Tensor] = []
        arguments = [tokens] if 0 in mine else []
        schedule.step(*arguments, target=tokens.roll(-1, 1) if stages - 1 in mine else None, losses=found)
        optimizer.step()
        losses.append([float(one.detach()) for one in found])
        used_j.append(true_j(twin))
        # let the planner have the processors, so that planning takes no iterations
        while engine is not None and engine.phase is Phase.PLAN and rank == 0 and not planning.is_planned:
            MonotonicClock().sleep(0.01)
    report = {"losses": losses, **({} if engine is None else summary(engine))}
    report["used_j"] = [after - before for before, after in pairwise(used_j)]
    if engine is not None:
        engine.close()
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", nargs="*", default=[], help="schedules to train without us")
    parser.add_argument("--ours", nargs="*", default=[], help="schedules to train with us")
    parser.add_argument("--files", action="store_true", help="on devices in files, by the host's clock; else on twins")
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--probes", type=int, default=6)
    parser.add_argument("--held", type=int, default=0, help="iterations for which a plan that is there is not given")
    parser.add_argument("--scale", type=float, default=8.0)
    parser.add_argument("--kill", type=int, default=-1, help="the rank that is killed after some iterations")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    report = {f"without {name}": train(options, name, ours=False) for name in options.without}
    report |= {name: train(options, name, ours=True) for name in options.ours}
    (options.out / f"rank-{dist.get_rank()}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
