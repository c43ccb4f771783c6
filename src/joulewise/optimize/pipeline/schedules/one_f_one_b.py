"""1F1B: each rank, once the pipeline is full, alternates one forward and one backward pass.

Theory of operation. Rank r of S runs S - 1 - r forward passes ahead, then one forward and one backward pass in turn,
then the backward passes that are left. Never more than S - r microbatches have their activations kept on rank r,
however many microbatches there are. With equal times the iteration takes (M + S - 1)(t_forward + t_backward), as in
GPipe.

With early recomputation, activations are dropped after the forward pass and computed again before the backward pass:
between the two, while the rank would wait for the gradient, so that only the recomputation itself costs time. With
equal times the iteration takes (S - 1)(t_forward + t_backward) + M (t_forward + t_recomputation + t_backward).

Source: narayanan2021 (PipeDream-Flush), section 2.2; lai2023 (Merak), section on the shifted critical path schedule.
Where Merak drops the recomputation on the last rank, we keep it, as frameworks that checkpoint every layer do.
"""

from __future__ import annotations

from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size, work_of_rank


def one_f_one_b(ranks: int, microbatches: int, chunks: int = 1) -> Schedule:
    """One forward, one backward.

    Args:
        ranks: Pipeline ranks, one stage each.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 1.

    Raises:
        UsageError: If a size is out of range.
    """
    return _one_f_one_b("1f1b", "B0", ranks, microbatches, chunks)


def one_f_one_b_recompute(ranks: int, microbatches: int, chunks: int = 1) -> Schedule:
    """One forward, one backward, with recomputation before the gradient arrives.

    Args:
        ranks: Pipeline ranks, one stage each.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 1.

    Raises:
        UsageError: If a size is out of range.
    """
    return _one_f_one_b("1f1b-recompute", "R0 B0", ranks, microbatches, chunks)


def _one_f_one_b(name: str, backward: str, ranks: int, microbatches: int, chunks: int) -> Schedule:
    """1F1B whose backward pass is the given pattern."""
    check_size(name, ranks, microbatches, chunks, range(1, 2))
    planned = max(microbatches, ranks)
    orders = []
    for rank in range(ranks):
        ahead = ranks - 1 - rank
        phases = [(ahead, "F0"), (planned - ahead, f"F0 {backward}"), (ahead, backward)]
        orders.append(work_of_rank(rank, [rank], microbatches, phases))
    return schedule_of_model(name, orders)
