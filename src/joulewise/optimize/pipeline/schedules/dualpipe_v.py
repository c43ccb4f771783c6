"""DualPipe-V: DeepSeek's DualPipe folded to one direction, with forward and backward passes in pairs.

Theory of operation. Rank r of S holds stages r and 2S - 1 - r, as in ZB-V. In steady state each forward pass of one
chunk is paired with a backward pass of the other, so that an engine can hide the communication of one behind the
computation of the other; here the two follow one another on their rank. Backward passes stay whole in steady state and
are split only where their weight gradients fill a gap, at the beginning and in the last half of the drain. With
t_forward = t_input >= t_weight on all ranks the bubble is (S - 1)(t_forward + t_input - t_weight). If a pair starts and
ends as one block, it is the published (S - 1)(t_pair + t_backward - 3 t_weight). At most 2S + 1 chunk activations are
kept on a rank.

Source: deepseek2024 (DeepSeek-V3), section 3.2.1; qi2025 (DualPipe without the dual: the cut in half). We take the pair
as two operations in a row, without a gain from overlap.
"""

from __future__ import annotations

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size, work_of_rank


def dualpipe_v(ranks: int, microbatches: int, chunks: int = 2) -> Schedule:
    """DualPipe in the shape of a V.

    Args:
        ranks: Pipeline ranks; rank r holds stages r and 2 ranks - 1 - r.
        microbatches: Microbatches of one iteration, at least twice the ranks.
        chunks: Stages per rank: 2.

    Raises:
        UsageError: If a size is out of range.
    """
    check_size("dualpipe-v", ranks, microbatches, chunks, range(2, 3))
    if microbatches < 2 * ranks:
        raise UsageError(
            "schedule dualpipe-v needs at least two microbatches for every rank",
            f"seen: {microbatches} microbatches on {ranks} ranks",
            f"give at least {2 * ranks} microbatches, or use zb-v",
        )
    orders = []
    for rank in range(ranks):
        below = ranks - 1 - rank
        half = (rank + 1) // 2
        phases = [
            (2 * below, "F0"),
            (rank + 1, "F0 F1"),
            (below, "I1 W F1"),
            (microbatches - 2 * ranks + rank + 1, "F0 B1 F1 B0"),
            (below, "B1 F1 B0"),
            (half, "B1 B0"),
            ((rank + 1) % 2, "B1 I0"),
            (half, "I1 I0"),
            (below, "W I0"),
            (rank + 1, "W"),
        ]
        orders.append(work_of_rank(rank, [rank, 2 * ranks - 1 - rank], microbatches, phases))
    return schedule_of_model("dualpipe-v", orders)
