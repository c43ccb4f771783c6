"""Runs Megatron-Core's forward and backward steps in the order of its schedules on CPU processes. Run by torchrun.

What of Megatron-Core runs without CUDA is its own: process groups, schedule tables, ``forward_step``,
``backward_step``. Its ``forward_backward_*`` functions ask for a CUDA tensor by name and its ``P2PCommunicator`` for
the current CUDA device, so the loop over the order and the transfers between ranks are this file's.

Writes rank-N.json into the folder of ``--out``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import ModelParallelConfig, parallel_state
from megatron.core.enums import ModelType
from megatron.core.pipeline_parallel import schedules
from megatron.core.transformer.cuda_graphs import convert_schedule_table_to_order
from torch import nn

import joulewise as jw
from adapter_summary import short_sweep, summary
from joulewise.runtime.pipeline.megatron import ITERATIONS, MegatronPipeline
from joulewise.sim.torch_twin import TwinGauge, transformer_costs

WIDTH, BATCH, MICROBATCHES, SEED = 8, 2, 8, 7


class Chunk(nn.Module):
    """A model chunk as Megatron-Core expects one."""

    def __init__(self, config: ModelParallelConfig, stage: int, chunk: int | None) -> None:
        super().__init__()
        torch.manual_seed(SEED + stage)
        self.config, self.stage, self.vp_stage = config, stage, chunk
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.model_type = ModelType.encoder_or_decoder
        self.given: torch.Tensor | None = None

    def set_input_tensor(self, given: list[torch.Tensor]) -> None:
        self.given = given[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x if self.given is None else self.given
        return x + torch.tanh(self.mix(x))


def forward_step(data: Any, model: Chunk) -> Any:
    x = next(data)
    return model(x), lambda output: ((output - torch.sin(x)).square().mean(), {"stage": model.stage})


class Job:
    """One rank: its chunks, and the order in which Megatron-Core runs them."""

    def __init__(self, chunks: int) -> None:
        self.rank = parallel_state.get_pipeline_model_parallel_rank()
        self.ranks = parallel_state.get_pipeline_model_parallel_world_size()
        self.config = ModelParallelConfig(
            pipeline_model_parallel_size=self.ranks, pipeline_dtype=torch.float32, deallocate_pipeline_outputs=True
        )
        self.stages = [chunk * self.ranks + self.rank for chunk in range(chunks)]
        self.model = [Chunk(self.config, stage, i if chunks > 1 else None) for i, stage in enumerate(self.stages)]
        self.last = self.ranks * chunks - 1
        table = schedules.get_schedule_table(MICROBATCHES, chunks, self.ranks)
        _, _, warmup, _ = schedules.get_pp_rank_microbatches(MICROBATCHES, chunks, self.ranks)
        self.order = [code - 1 if code > 0 else code for code in convert_schedule_table_to_order(warmup, chunks, table)]
        self.sent: list[Any] = []

    def iterate(self, seed: int) -> list[float]:
        """One iteration; its losses, if this rank has the last stage."""
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(MICROBATCHES, BATCH, WIDTH, generator=generator)
        data = [iter(inputs) for _ in self.stages]
        counts: dict[int, int] = {}
        kept: dict[tuple[int, int], tuple[Any, Any]] = {}
        losses = []
        for code in self.order:
            chunk = code if code >= 0 else -code - 1
            microbatch = counts[code] = counts.get(code, -1) + 1
            stage = self.stages[chunk]
            if code >= 0:
                given = self._receive(stage, stage - 1, microbatch, grad=True)
                output, _ = schedules.forward_step(
                    forward_step,
                    data[chunk],
                    self.model[chunk],
                    MICROBATCHES,
                    given,
                    [],
                    self.config,
                    cp_group_size=1,
                    current_microbatch=microbatch,
                    vp_stage=self.model[chunk].vp_stage,
                    is_last_stage=stage == self.last,
                )
                losses += [float(output.detach())] if stage == self.last else []
                self._send(output, stage, stage + 1, microbatch)
                kept[chunk, microbatch] = given, output
                schedules.deallocate_output_tensor(output, self.config.deallocate_pipeline_outputs)
            else:
                given, output = kept.pop((chunk, microbatch))
                grad = self._receive(stage, stage + 1, microbatch, grad=False)
                result = schedules.backward_step(given, output, grad, SimpleNamespace(), self.config)
                self._send(result, stage, stage - 1, microbatch)
        for work, _ in self.sent:
            work.wait()
        self.sent.clear()
        return losses

    def _send(self, tensor: Any, stage: int, to: int, microbatch: int) -> None:
        if 0 <= to <= self.last:
            held = tensor.detach().clone()
            self.sent.append((dist.isend(held, to % self.ranks, tag=_tag(stage, to, microbatch)), held))

    def _receive(self, stage: int, of: int, microbatch: int, *, grad: bool) -> Any:
        if not 0 <= of <= self.last:
            return None
        tensor = torch.empty(BATCH, WIDTH)
        dist.recv(tensor, of % self.ranks, tag=_tag(of, stage, microbatch))
        return tensor.requires_grad_(grad)


def _tag(of: int, to: int, microbatch: int) -> int:
    return (microbatch * 100 + of) * 2 + (to > of)


def whole_iteration(job: Job) -> str:
    """What Megatron-Core's own iteration without a pipeline says on a machine without CUDA."""
    try:
        schedules.forward_backward_no_pipelining(
            forward_step_func=forward_step,
            data_iterator=iter([]),
            model=job.model[:1],
            num_microbatches=1,
            seq_length=1,
            micro_batch_size=1,
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--mode", choices=("off", "twin"), default="twin")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    ranks = dist.get_world_size()
    virtual = options.chunks if options.chunks > 1 else None
    parallel_state.initialize_model_parallel(1, ranks, virtual)
    job, engine = Job(options.chunks), None
    names = ("forward_step", "backward_step", *ITERATIONS)
    before = {name: getattr(schedules, name) for name in names}
    if options.mode == "twin":
        adapter = MegatronPipeline(job.model)
        stages = ranks * options.chunks
        twin = TwinGauge(
            transformer_costs(stages, scale=8 / stages),
            rank=job.rank,
            ranks=ranks,
            stages=stages,
            local=adapter.stages,
            store=dist.distributed_c10d._get_default_store(),
            seed=job.rank,
        )
        engine = jw.pipeline(adapter, device=twin.gpu, gauge=twin, sweep=short_sweep)
    optimizer = torch.optim.SGD([p for chunk in job.model for p in chunk.parameters()], lr=0.05)
    losses = []
    for iteration in range(options.iterations):
        optimizer.zero_grad()
        if engine is not None:
            engine.begin_iteration()
        losses.append(job.iterate(iteration))
        if engine is not None:
            engine.end_iteration()
        optimizer.step()
    report: dict[str, Any] = {"losses": losses, "stages": job.stages, "order_of_megatron": job.order}
    if engine is not None:
        report |= summary(engine)
        kept = len(engine.iterations)
        report["whole_iteration"] = whole_iteration(job)
        report["kept_of_it"] = len(engine.iterations) - kept
        engine.close()
    report["whole_iteration_without"] = whole_iteration(job)
    report["left_behind"] = [name for name in names if getattr(schedules, name) is not before[name]]
    (options.out / f"rank-{job.rank}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
