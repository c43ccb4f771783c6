"""Divide energy in proportion to use, instant by instant: what all methods have in common.

Theory of operation. A use is an amount, in any unit, spread evenly over an interval: 0.3 CPU seconds of one process
between two readings, 32 tokens of one request during one batch. At every instant the power is divided in proportion to
the rates of use, either among all that are used then, or by what could be used at most (a capacity), so that what
nobody uses stays unattributed. If an idle power is known and wanted, only the power above it is divided.

Between neighbouring edges of uses and of the energy's curve all rates and the power are constant, so that the division
is exact, and does not change if an interval is cut in two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from joulewise.errors import UsageError
from joulewise.measure.attribution.share import UNATTRIBUTED, Attribution, divide
from joulewise.measure.attribution.spent import Spent


@dataclass(frozen=True, slots=True)
class Use:
    """How much one user used over an interval.

    Attributes:
        key: Who; `UNATTRIBUTED` for all that are not listed.
        begin_ns, end_ns: From when until when [ns].
        amount: How much, in a unit that all uses share; not below zero.
    """

    key: str
    begin_ns: int
    end_ns: int
    amount: float


def by_use(
    spent: Spent,
    uses: Iterable[Use],
    method: str,
    *,
    capacity_per_s: float | None = None,
    idle_w: float | None = None,
) -> Attribution:
    """Divide energy in proportion to use.

    Args:
        spent: What is divided.
        uses: Who used how much and when, in any order; of a use that reaches beyond the window, the part within counts.
        method: In words, for the result.
        capacity_per_s: How much can be used per second at most; what is not used stays unattributed. None divides all
            power among those who use anything at that instant.
        idle_w: Power that stays unattributed [W]; the rest is divided.

    Raises:
        UsageError: If a use cannot be meant.
    """
    merged = _merged(uses)
    edges = {spent.begin_ns, spent.end_ns}
    edges.update(int(at) for at in spent.curve.at_ns if spent.begin_ns < at < spent.end_ns)
    for use in merged:
        edges.update(at for at in (use.begin_ns, use.end_ns) if spent.begin_ns < at < spent.end_ns)
    edges_ns = np.array(sorted(edges), np.int64)
    lengths_s = np.diff(edges_ns) * 1e-9
    if not len(lengths_s):
        return divide(spent.energy, {use.key: 0.0 for use in merged if use.key != UNATTRIBUTED}, method)

    used_j = spent.curve.between(edges_ns)
    curve_j = float(used_j.sum())
    used_j = used_j * (spent.energy.energy_j / curve_j) if curve_j > 0 else spent.energy.energy_j * _even(lengths_s)
    if idle_w is not None:
        used_j = np.maximum(0.0, used_j - idle_w * lengths_s)

    rates: dict[str, np.ndarray] = {}
    for use in merged:
        begin, end = np.searchsorted(edges_ns, (use.begin_ns, use.end_ns))
        rate = rates.setdefault(use.key, np.zeros(len(lengths_s)))
        rate[begin:end] += use.amount / ((use.end_ns - use.begin_ns) * 1e-9)
    whole = np.sum(list(rates.values()), axis=0) if rates else np.zeros(len(lengths_s))
    if capacity_per_s is not None:
        whole = np.maximum(whole, capacity_per_s)
    fracs = {
        key: np.divide(rate, whole, out=np.zeros_like(rate), where=whole > 0)
        for key, rate in rates.items()
        if key != UNATTRIBUTED
    }
    joules = {key: float(frac @ used_j) for key, frac in fracs.items()}
    return divide(spent.energy, joules, method)


def _merged(uses: Iterable[Use]) -> list[Use]:
    """In one order, whatever theirs was; refuses what cannot be meant."""
    found = sorted(uses, key=lambda use: (use.key, use.begin_ns, use.end_ns, use.amount))
    for use in found:
        if use.end_ns <= use.begin_ns or not 0 <= use.amount < math.inf:
            fix = "give an amount of zero or more over an interval that has a length"
            raise UsageError("a use cannot be meant", repr(use), fix)
    return found


def _even(lengths_s: np.ndarray) -> np.ndarray:
    shares: np.ndarray = lengths_s / lengths_s.sum()
    return shares
