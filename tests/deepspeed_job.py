"""Trains a small model under DeepSpeed's pipeline engine on CPU processes, with or without us. Run by torchrun.

Writes rank-N.json into the folder of ``--out``: losses, what of DeepSpeed is as it was, and what our engine did.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed
import torch
import torch.distributed as dist
from deepspeed.pipe import LayerSpec, PipelineModule
from torch import nn

import joulewise as jw
from adapter_summary import short_sweep, summary
from joulewise.runtime.pipeline.deepspeed import DeepSpeedPipeline
from joulewise.sim.torch_twin import TwinGauge, transformer_costs

WIDTH, BATCH, MICROBATCHES, LAYERS = 8, 2, 8, 8


class Block(nn.Module):
    """A layer."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tanh(self.mix(x))


def module_class(schedule: str) -> type[PipelineModule]:
    if schedule == "1F1B":
        return PipelineModule
    from deepspeed.runtime.pipe.dualpipev import DualPipeVModule  # noqa: PLC0415 (newer versions have it)

    return DualPipeVModule


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    while True:
        x = torch.randn(BATCH, WIDTH, generator=generator)
        yield x, torch.sin(x)


def settings() -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": BATCH,
        "gradient_accumulation_steps": MICROBATCHES,
        "optimizer": {"type": "SGD", "params": {"lr": 0.05}},
        "steps_per_print": 10**9,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--schedule", choices=("1F1B", "DualPipeV"), default="1F1B")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--mode", choices=("off", "twin"), default="twin")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    deepspeed.init_distributed("gloo", verbose=False)
    rank, ranks = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(7)
    layers = [LayerSpec(Block) for _ in range(LAYERS)]
    model = module_class(options.schedule)(
        layers, num_stages=ranks, loss_fn=nn.functional.mse_loss, partition_method="uniform"
    )
    pipe, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=settings())
    before, engine, held, evaluated = dict(vars(pipe)), None, [], 0
    if options.mode == "twin":
        adapter = DeepSpeedPipeline(pipe)
        held = adapter.stages
        stages = ranks * len(held)
        twin = TwinGauge(
            transformer_costs(stages, scale=8 / stages),
            rank=rank,
            ranks=ranks,
            stages=stages,
            local=adapter.stages,
            store=dist.distributed_c10d._get_default_store(),
            seed=rank,
        )
        engine = jw.pipeline(adapter, device=twin.gpu, gauge=twin, sweep=short_sweep)
    train, losses, evaluation = batches(), [], []
    for iteration in range(options.iterations):
        losses.append(float(pipe.train_batch(train)))
        if iteration == options.iterations // 2:
            told = 0 if engine is None else engine.overhead.computations
            evaluation.append(float(pipe.eval_batch(batches())))
            evaluated = 0 if engine is None else engine.overhead.computations - told
    report: dict[str, Any] = {
        "losses": losses,
        "stages": held,
        "evaluation": evaluation,
        "told_in_evaluation": evaluated,
    }
    if engine is not None:
        report |= summary(engine)
        engine.close()
    names = ("_INSTRUCTION_MAP", "train_batch", "eval_batch")
    report["left_behind"] = [name for name in names if vars(pipe).get(name) is not before.get(name)]
    (options.out / f"rank-{rank}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
