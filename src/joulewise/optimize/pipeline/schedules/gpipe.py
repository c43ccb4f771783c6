"""GPipe: all forward passes, then all backward passes.

Theory of operation. The simplest order, and the one that keeps most activations: all M microbatches on every rank.
With equal times the iteration takes (M + S - 1)(t_forward + t_backward). Backward passes run in the order of the
forward passes, as frameworks do today; the paper draws them in the reverse order, which takes the same time.

Source: huang2019, section 2.3 and figure 2c.
"""

from __future__ import annotations

from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size, work_of_rank


def gpipe(ranks: int, microbatches: int, chunks: int = 1) -> Schedule:
    """All forward passes, then all backward passes.

    Args:
        ranks: Pipeline ranks, one stage each.
        microbatches: Microbatches of one iteration.
        chunks: Stages per rank: 1.

    Raises:
        UsageError: If a size is out of range.
    """
    check_size("gpipe", ranks, microbatches, chunks, range(1, 2))
    phases = [(microbatches, "F0"), (microbatches, "B0")]
    return schedule_of_model("gpipe", [work_of_rank(rank, [rank], microbatches, phases) for rank in range(ranks)])
