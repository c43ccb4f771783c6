"""ZB-H1: 1F1B whose backward passes are split, so that weight gradients fill the bubble.

Theory of operation. Only the gradient by input is awaited by another rank; the gradient by weight can come any time
later. Rank r of S fills like 1F1B, but puts off weight gradients until r of them are owed, then pays one in every
turn, and pays the rest while the pipeline drains. Every rank keeps at most S microbatches' activations, which is what
the first rank of 1F1B keeps. With the same times on all ranks, t_weight the shortest of the three, and M >= S, the
bubble is (S - 1)(t_forward + t_input - t_weight): a third of 1F1B's if the three take the same time t. For fewer
microbatches it grows to (2S - 1 - M) t.

Source: qi2024 (zero bubble pipeline parallelism), section 2.1 and figure 3.
"""

from __future__ import annotations

from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size, work_of_rank


def zb_h1(ranks: int, microbatches: int, chunks: int = 1) -> Schedule:
    """Zero-bubble schedule with the memory of 1F1B.

    Args:
        ranks: Pipeline ranks, one stage each.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 1.

    Raises:
        UsageError: If a size is out of range.
    """
    check_size("zb-h1", ranks, microbatches, chunks, range(1, 2))
    planned = max(microbatches, ranks)
    orders = []
    for rank in range(ranks):
        ahead = ranks - 1 - rank
        phases = [
            (ahead, "F0"),
            (rank, "F0 I0"),
            (planned - ranks + 1, "F0 I0 W0"),
            (ahead, "I0 W0"),
            (rank, "W0"),
        ]
        orders.append(work_of_rank(rank, [rank], microbatches, phases))
    return schedule_of_model("zb-h1", orders)
