"""ZB-V: two parts of the model on each rank in the shape of a V, weight gradients in the gaps.

Theory of operation. Rank r of S holds stages r and 2S - 1 - r: a microbatch goes down the ranks and up again, so its
loss comes out where it went in, and the first rank can start backward passes as soon as its first microbatch is back.
Split backward passes fill what is left. If forward pass, gradient by input and gradient by weight of a chunk take the
same time t and M >= 2S - 1, no rank ever waits between its first and its last operation: rank r starts after r t, and
the iteration takes 6 M t + (S - 1) t. With any M the bubble is max(S - 1, 4S - 2 - 2M) t. At most 2S chunk activations
are kept on a rank: the memory of 1F1B's first rank, but on all ranks alike.

Source: qi2024 (zero bubble pipeline parallelism), section 6 and figure 9; the order for equal times.
"""

from __future__ import annotations

from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size, work_of_rank


def zb_v(ranks: int, microbatches: int, chunks: int = 2) -> Schedule:
    """Zero-bubble schedule in the shape of a V.

    Args:
        ranks: Pipeline ranks; rank r holds stages r and 2 ranks - 1 - r.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 2.

    Raises:
        UsageError: If a size is out of range.
    """
    check_size("zb-v", ranks, microbatches, chunks, range(2, 3))
    steady = max(microbatches, 2 * ranks - 1) - (2 * ranks - 1)
    orders = []
    for rank in range(ranks):
        below = ranks - 1 - rank
        phases = [
            (2 * below + 1, "F0"),
            (rank, "F1 F0"),
            (below + 1, "F1 I1 W1"),
            (steady + rank, "F0 I0 W0 F1 I1 W1"),
            (below, "I0 W0 F1 I1 W1"),
            (rank, "I0 I1"),
            (below + 1, "I0 W0"),
            (rank, "W1"),
            (rank, "W0"),
        ]
        orders.append(work_of_rank(rank, [rank, 2 * ranks - 1 - rank], microbatches, phases))
    return schedule_of_model("zb-v", orders)
