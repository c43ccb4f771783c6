"""Train four pipeline stages on CPUs, a simulated A100 beside each, at the clocks of a plan that the job makes itself.

    torchrun --nproc-per-node 4 examples/pipeline_torch.py

On real GPUs: put the stages on them, and say ``jw.pipeline(schedule, device="nvidia")``. That needs the privilege to
lock clocks; without root, ``device="agent:"``.
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B

import joulewise as jw
from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.sim.torch_twin import TwinGauge

PROBES, ITERATIONS = 6, 20

dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()
torch.manual_seed(rank)
torch.set_num_threads(1)
stage = PipelineStage(nn.Sequential(nn.Linear(16, 16), nn.GELU()), rank, ranks, torch.device("cpu"))
schedule = Schedule1F1B(stage, n_microbatches=8, loss_fn=nn.functional.mse_loss)
optimizer = torch.optim.SGD(stage.submod.parameters(), lr=0.1)

twin = TwinGauge.beside(schedule, scale=8.0)
with jw.pipeline(
    schedule,
    device=twin.gpu,
    gauge=twin,
    sweep=lambda operations: SweepPlan(operations, SweepBudget(iterations=PROBES)),
) as engine:
    for iteration in range(ITERATIONS):
        batch = torch.randn(8, 16)
        optimizer.zero_grad()
        schedule.step(*([batch] if rank == 0 else []), target=batch if rank == ranks - 1 else None)
        optimizer.step()
        last = engine.iterations[-1]
        energy_j = torch.tensor(last.energy_j or 0.0)
        dist.reduce(energy_j, 0)
        if rank == 0:
            print(f"{iteration:2}  {last.time_s:6.2f} s  {energy_j:6.0f} J ({last.provenance})  {engine.describe()}")
dist.destroy_process_group()
