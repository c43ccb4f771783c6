"""Generators of pipeline schedules, one per file, and their catalog."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Schedule, ScheduleMaker
from joulewise.optimize.pipeline.schedules.constants import insert_constants
from joulewise.optimize.pipeline.schedules.dualpipe_v import dualpipe_v
from joulewise.optimize.pipeline.schedules.gpipe import gpipe
from joulewise.optimize.pipeline.schedules.graph import Graph, read_graph
from joulewise.optimize.pipeline.schedules.interleaved import interleaved
from joulewise.optimize.pipeline.schedules.one_f_one_b import one_f_one_b, one_f_one_b_recompute
from joulewise.optimize.pipeline.schedules.zb_h1 import zb_h1
from joulewise.optimize.pipeline.schedules.zb_v import zb_v

__all__ = ["SCHEDULES", "Graph", "insert_constants", "make_schedule", "read_graph"]

SCHEDULES: Mapping[str, ScheduleMaker] = MappingProxyType(
    {
        "gpipe": gpipe,
        "1f1b": one_f_one_b,
        "1f1b-recompute": one_f_one_b_recompute,
        "interleaved": interleaved,
        "zb-h1": zb_h1,
        "zb-v": zb_v,
        "dualpipe-v": dualpipe_v,
    }
)
"""Every schedule that has a name, by that name."""


def make_schedule(name: str, ranks: int, microbatches: int, chunks: int | None = None) -> Schedule:
    """Build a schedule by name.

    Args:
        name: A key of ``SCHEDULES``.
        ranks: Pipeline ranks, at least 1.
        microbatches: Microbatches of one iteration, at least 1.
        chunks: Stages per rank, or None for what is usual with this schedule: 2 if interleaved or V-shaped, else 1.

    Returns:
        The schedule; its stages count the parts of the model in forward order, ranks times chunks of them.

    Raises:
        UsageError: If the name is unknown or the schedule cannot have this size.
    """
    if name not in SCHEDULES:
        raise UsageError("unknown schedule", f"seen: {name!r}", f"use one of {', '.join(SCHEDULES)}")
    if chunks is None:
        return SCHEDULES[name](ranks, microbatches)
    return SCHEDULES[name](ranks, microbatches, chunks)
