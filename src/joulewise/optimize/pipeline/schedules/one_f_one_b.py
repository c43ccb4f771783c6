"""1F1B: each rank, once the pipeline is full, alternates one forward and one backward pass.

Theory of operation. Rank r of S runs S - 1 - r forward passes ahead, then one forward and one backward pass in turn,
then the backward passes that are left. Never more than S - r microbatches have their activations kept on rank r,
however many microbatches there are. With equal times the iteration takes (M + S - 1)(t_forward + t_backward), as in
GPipe.

Source: narayanan2021 (PipeDream-Flush), section 2.2.
"""

from __future__ import annotations

from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.records import Instruction


def one_f_one_b(ranks: int, microbatches: int, chunks: int = 1) -> Schedule:
    """One forward, one backward.

    Args:
        ranks: Pipeline ranks, one stage each.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 1.
    """
    orders = []
    for rank in range(ranks):
        forwards = [Operation(Instruction.FORWARD, rank, rank, microbatch) for microbatch in range(microbatches)]
        backwards = [Operation(Instruction.BACKWARD, rank, rank, microbatch) for microbatch in range(microbatches)]
        ahead = min(microbatches, ranks - 1 - rank)
        order = forwards[:ahead]
        for forward, backward in zip(forwards[ahead:], backwards, strict=False):
            order += [forward, backward]
        order += backwards[microbatches - ahead :]
        orders.append(order)
    return schedule_of_model("1f1b", orders)
