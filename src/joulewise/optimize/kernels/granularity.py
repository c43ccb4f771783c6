"""Where finer control stops paying: saving by granularity and by how long a switch takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from joulewise.errors import InfeasibleError
from joulewise.optimize.kernels.exact import plan_exactly
from joulewise.optimize.kernels.planner import plan_kernels
from joulewise.optimize.kernels.sequence import KernelSequence
from joulewise.optimize.pipeline.switch_cost import FREE, SwitchCost

GRANULARITIES = ("kernel", "layer", "pass", "iteration")
"""Finest first."""
EXACT_GROUPS = 12
"""Up to how many groups the best plan is found; of more, the best vertex of the hull, and the bound says how near."""


@dataclass(frozen=True, slots=True)
class GranularityRow:
    """What one granularity saves at one latency.

    Attributes:
        granularity: What is given a setting of its own.
        latency_s: How long a switch takes [s].
        saving_frac: Part of the energy of everything at the top setting; 0 if nothing is in time.
        slowdown: Time over everything at the top setting.
        switches: Switches of one iteration.
        bound_frac: No plan of that granularity saves more.
    """

    granularity: str
    latency_s: float
    saving_frac: float
    slowdown: float
    switches: int
    bound_frac: float


def granularity_study(
    sequence: KernelSequence,
    latencies_s: Sequence[float],
    *,
    max_slowdown: float = 1.0,
    switch: SwitchCost = FREE,
    granularities: Sequence[str] = GRANULARITIES,
) -> tuple[GranularityRow, ...]:
    """What each granularity saves within a slowdown, for each latency.

    Args:
        sequence: The kernels.
        latencies_s: How long a switch takes [s].
        max_slowdown: Time that is allowed, over everything at the top setting.
        switch: What else a switch costs; its latency is replaced.
        granularities: Some of `GRANULARITIES`.
    """
    time_s, energy_j = sequence.reference
    rows: list[GranularityRow] = []
    for latency_s in latencies_s:
        coarser = GranularityRow("", latency_s, 0.0, 1.0, 0, 0.0)
        for granularity in sorted(granularities, key=GRANULARITIES.index, reverse=True):
            grouped = sequence.grouped(granularity)
            cost = replace(switch, latency_s=latency_s, latencies_s=())
            try:
                find = plan_exactly if len(grouped) <= EXACT_GROUPS else plan_kernels
                plan = find(grouped, cost, max_slowdown=max_slowdown)
            except InfeasibleError:
                rows.append(replace(coarser, granularity=granularity))
                continue
            saved, most = 1 - plan.energy_j / energy_j, 1 - plan.bound_j / energy_j
            row = GranularityRow(granularity, latency_s, saved, plan.time_s / time_s, plan.switches, most)
            if saved <= coarser.saving_frac:  # what is coarser is one of the plans of what is finer
                row = replace(coarser, granularity=granularity, bound_frac=max(most, coarser.saving_frac))
            rows.append(row)
            coarser = row
    return tuple(sorted(rows, key=lambda row: (GRANULARITIES.index(row.granularity), latencies_s.index(row.latency_s))))


def break_even_s(
    sequence: KernelSequence,
    finer: str,
    coarser: str,
    *,
    max_slowdown: float = 1.0,
    gain_frac: float = 0.01,
    longest_s: float = 1.0,
) -> float:
    """The latency up to which a finer granularity saves more than a coarser one by a part of the energy [s].

    Both plans pay for their switches. Found by bisection of the logarithm, to 5 %.

    Args:
        sequence: The kernels.
        finer, coarser: Two of `GRANULARITIES`.
        max_slowdown: Time that is allowed, over everything at the top setting.
        gain_frac: By how much more it must save, as a part of the energy at the top setting.
        longest_s: Where to stop looking [s].

    Returns:
        0 if it never does, ``longest_s`` if it still does there.
    """

    def pays(latency_s: float) -> bool:
        rows = granularity_study(sequence, [latency_s], max_slowdown=max_slowdown, granularities=(finer, coarser))
        return rows[0].saving_frac - rows[1].saving_frac > gain_frac

    if not pays(0.0):
        return 0.0
    if pays(longest_s):
        return longest_s
    low, high = 1e-7, longest_s
    while high / low > 1.05:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if pays(middle) else (low, middle)
    return low
