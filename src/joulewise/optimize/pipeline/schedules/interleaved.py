"""Interleaved 1F1B: each rank holds several small parts of the model instead of one large one.

Theory of operation. Rank r holds stages r, r + S, r + 2S, ... A microbatch passes every rank v times, so filling and
draining the pipeline takes steps that are v times shorter. Microbatches go in groups of S: a group passes chunk 0, then
chunk 1, and so on; backward passes take the chunks in reverse. Rank r runs 2(S - 1 - r) + (v - 1)S forward passes
ahead, then alternates. With equal times t of one chunk the bubble is (S - 1)(t_forward + t_backward), where t is 1/v of
what a rank needs for its whole share: v times less than 1F1B. At most 2(S - 1 - r) + (v - 1)S + 1 chunk activations
are kept on rank r.

Source: narayanan2021 (Megatron-LM), section 2.2 and figure 4.
"""

from __future__ import annotations

import sys

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.optimize.pipeline.schedules.phases import check_size
from joulewise.records import Instruction


def interleaved(ranks: int, microbatches: int, chunks: int = 2) -> Schedule:
    """Interleaved one forward, one backward.

    Args:
        ranks: Pipeline ranks.
        microbatches: Microbatches of one iteration, a multiple of ``ranks``.
        chunks: Stages per rank, at least 2; rank r holds stages r, r + ranks, ...

    Raises:
        UsageError: If a size is out of range or ``microbatches`` is no multiple of ``ranks``.
    """
    check_size("interleaved", ranks, microbatches, chunks, range(2, sys.maxsize))
    if microbatches % ranks:
        lower = microbatches // ranks * ranks
        nearest = f"{lower} or {lower + ranks}" if lower else f"{ranks}"
        raise UsageError(
            "schedule interleaved passes microbatches in groups of one per rank",
            f"seen: {microbatches} microbatches on {ranks} ranks",
            f"give a multiple of the ranks, such as {nearest}",
        )
    groups = range(microbatches // ranks)
    turns = [(c, g * ranks + i) for g in groups for c in range(chunks) for i in range(ranks)]
    orders = []
    for rank in range(ranks):
        forwards = [Operation(Instruction.FORWARD, rank, rank + c * ranks, m) for c, m in turns]
        backwards = [Operation(Instruction.BACKWARD, rank, rank + (chunks - 1 - c) * ranks, m) for c, m in turns]
        ahead = min(len(turns), 2 * (ranks - 1 - rank) + (chunks - 1) * ranks)
        steady = [pass_ for pair in zip(forwards[ahead:], backwards, strict=False) for pass_ in pair]
        orders.append([*forwards[:ahead], *steady, *backwards[len(turns) - ahead :]])
    return schedule_of_model("interleaved", orders)
