"""Frontiers of work made of parts: one after another, side by side, repeated, in lock-step copies.

Theory of operation
-------------------
Effective energy (see `joulewise.frontier.frontier`) adds up in both directions, which is all there is to it:

- In series, times add and effective energies add. The frontier of the whole is the non-dominated part of all sums
  of one point of each part (a Minkowski sum), which contains every optimal split of the time.
- In parallel, everybody is done at T, and each part independently takes its least effective energy within T: its
  slowest point that takes at most T. Nothing changes between the times of points, so only those are candidates.

A sum of n equal parts is built by doubling: the non-dominated part of a sum loses nothing by first leaving out what
is dominated in its terms, so sums of sums are exact.

Exact series have a price: the number of non-dominated sums can grow with the product of the numbers of points. The
sums themselves are made in blocks of bounded size. Thin the parts first (`Frontier.envelope`, or a tolerance) where
the exact result is larger than it is worth.

Figures are those of the parts added up. Spreads are taken as independent from part to part and add in squares, those
of copies in lock step add outright; the spread of a parallel time is that of the largest. A whole is as trustworthy
as its least trustworthy part, and rests on as many samples as the part with the fewest.
"""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import bound as bounds
from joulewise.frontier.bound import Bound
from joulewise.frontier.columns import Columns, Floats, Ints
from joulewise.frontier.frontier import Frontier
from joulewise.frontier.pareto import Rows, non_dominated
from joulewise.frontier.settings import Combined, Counted

BLOCK = 1 << 19
"""Number of sums that are held at once, beside those kept."""


def series(*frontiers: Frontier) -> Frontier:
    """One after the other on the same resource.

    Args:
        frontiers: At least one, all with the same waiting power.

    Returns:
        Frontier of the whole; each setting is the tuple of the parts' settings.

    Raises:
        UsageError: If there is none, or if waiting powers differ.

    Example:
        >>> from joulewise.records import Provenance
        >>> part = Frontier.from_arrays([1, 2], [9, 5], ["fast", "slow"], Provenance.MODELLED)
        >>> [(p.time_s, p.energy_j, p.setting) for p in series(part, part).alone()][1]
        (3.0, 14.0, ('fast', 'slow'))
    """
    _check_some(frontiers)
    powers = sorted({part.wait_power_w for part in frontiers})
    if len(powers) > 1:
        raise UsageError(
            "parts in series run on one resource, which has one waiting power",
            f"waiting powers from {powers[0]:g} to {powers[-1]:g} W",
            "use parallel for parts on different resources",
        )
    first, *others = frontiers
    time_s, energy_j = first.time_s, first.energy_j
    rows: Rows = np.arange(len(first), dtype=np.intp)[None, :]
    for part in others:
        mine, its = _sums(time_s, energy_j, part.time_s, part.energy_j, first.wait_power_w)
        time_s, energy_j = time_s[mine] + part.time_s[its], energy_j[mine] + part.energy_j[its]
        rows = np.vstack([rows[:, mine], its])
    time_sd_s = _root_of_squares(frontiers, rows, "time_sd_s")
    columns = _combined(frontiers, rows, time_s, energy_j, time_sd_s)
    stated = bounds.in_series([part.bound for part in frontiers]) if _any_stated(frontiers) else None
    return Frontier(columns, first.wait_power_w, stated)


def parallel(*frontiers: Frontier) -> Frontier:
    """All start together on resources of their own and are done together; who is done early draws its waiting power.

    Args:
        frontiers: At least one.

    Returns:
        Frontier of the whole, waiting powers added up; each setting is the tuple of the parts' settings.

    Raises:
        UsageError: If there is none.

    Example:
        >>> from joulewise.records import Provenance
        >>> slow = Frontier.from_arrays([3], [9], ["slow"], Provenance.MODELLED, wait_power_w=1.0)
        >>> quick = Frontier.from_arrays([1, 2], [9, 5], ["max", "low"], Provenance.MODELLED, wait_power_w=1.0)
        >>> [(p.time_s, p.energy_j, p.setting) for p in parallel(slow, quick)]
        [(3.0, 15.0, ('slow', 'low'))]
    """
    _check_some(frontiers)
    time_s = np.unique(np.concatenate([part.time_s for part in frontiers]))
    time_s = time_s[time_s >= max(part.time_s[0] for part in frontiers)]
    rows = np.array([np.searchsorted(part.time_s, time_s, side="right") - 1 for part in frontiers], dtype=np.intp)
    energy_j = np.zeros(len(time_s))
    for part, row in zip(frontiers, rows, strict=True):
        energy_j = energy_j + (part.energy_j[row] + part.wait_power_w * (time_s - part.time_s[row]))
    spreads = [part.columns.time_sd_s[row] for part, row in zip(frontiers, rows, strict=True)]
    columns = _combined(frontiers, rows, time_s, energy_j, np.max(spreads, axis=0))
    powers_w = [part.wait_power_w for part in frontiers]
    stated = bounds.in_parallel([part.bound for part in frontiers], powers_w) if _any_stated(frontiers) else None
    return Frontier(columns, sum(powers_w), stated)


def repeat(frontier: Frontier, n: int) -> Frontier:
    """The same work ``n`` times in series; each time may use another point.

    Args:
        frontier: The work once.
        n: How often, >= 1.

    Returns:
        Frontier of the whole; each setting is a tuple of (setting, how often), fastest first.

    Raises:
        UsageError: If ``n`` is below 1 or not an integer.

    Example:
        >>> from joulewise.records import Provenance
        >>> once = Frontier.from_arrays([1, 2], [9, 5], ["fast", "slow"], Provenance.MODELLED)
        >>> repeat(once, 10).at_deadline(13.0).setting
        (('fast', 7), ('slow', 3))
    """
    left = times = _check_count("n", n)
    counts = np.eye(len(frontier), dtype=np.int64)
    power: Counts = (frontier.time_s, frontier.energy_j, counts)
    total: Counts | None = None
    while True:
        if left & 1:
            total = power if total is None else _doubled(total, power, frontier.wait_power_w)
        left >>= 1
        if not left:
            break
        power = _doubled(power, power, frontier.wait_power_w)
    time_s, energy_j, counts = total if total is not None else power
    parts, used = frontier.columns, counts > 0
    columns = Columns(
        time_s=time_s,
        energy_j=energy_j,
        settings=Counted(parts.settings, counts),
        doubt=np.where(used, parts.doubt, 0).max(axis=1),
        samples=np.where(used, parts.samples, np.iinfo(np.int64).max).min(axis=1),
        time_sd_s=np.sqrt(counts @ parts.time_sd_s**2),
        energy_sd_j=np.sqrt(counts @ parts.energy_sd_j**2),
    )
    stated = frontier.stated_bound
    bound = None if stated is None else Bound(times * stated.time_s, times * stated.energy_j)
    return Frontier(columns, frontier.wait_power_w, bound)


def scale(frontier: Frontier, copies: int) -> Frontier:
    """Identical copies in lock step, as in tensor- or data-parallel training: all use the same setting.

    Args:
        frontier: One copy.
        copies: How many, >= 1.

    Returns:
        Frontier with energies and waiting power times ``copies``; settings are those of one copy.

    Raises:
        UsageError: If ``copies`` is below 1 or not an integer.
    """
    copies = _check_count("copies", copies)
    one = frontier.columns
    columns = Columns(
        one.time_s,
        copies * one.energy_j,
        one.settings,
        one.doubt,
        one.samples,
        one.time_sd_s,
        copies * one.energy_sd_j,
    )
    stated = frontier.stated_bound
    bound = None if stated is None else Bound(stated.time_s, copies * stated.energy_j)
    return Frontier(columns, copies * frontier.wait_power_w, bound)


def _check_some(frontiers: tuple[Frontier, ...]) -> None:
    if not frontiers:
        raise UsageError("nothing cannot be composed", "0 frontiers", "give at least one frontier")


def _any_stated(frontiers: tuple[Frontier, ...]) -> bool:
    """Whether the whole needs a bound of its own: the envelope of its points would not know of a stated one."""
    return any(part.stated_bound is not None for part in frontiers)


def _check_count(name: str, value: int) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise UsageError(f"{name} is not a number of times", f"{value!r}", "give an integer of at least 1")
    return count


def _sums(
    time_s: Floats, energy_j: Floats, its_time_s: Floats, its_energy_j: Floats, wait_power_w: float
) -> tuple[Rows, Rows]:
    """Rows (of the first, of the second) whose sums are non-dominated, made block by block."""
    mine: Rows = np.empty(0, dtype=np.intp)
    its: Rows = np.empty(0, dtype=np.intp)
    second = np.arange(len(its_time_s), dtype=np.intp)
    step = max(1, BLOCK // len(second))
    for start in range(0, len(time_s), step):
        first = np.arange(start, min(start + step, len(time_s)), dtype=np.intp)
        mine = np.concatenate([mine, np.repeat(first, len(second))])
        its = np.concatenate([its, np.tile(second, len(first))])
        times = time_s[mine] + its_time_s[its]
        keep = non_dominated(times, energy_j[mine] + its_energy_j[its] - wait_power_w * times)
        mine, its = mine[keep], its[keep]
    return mine, its


Counts = tuple[Floats, Floats, Ints]


def _doubled(first: Counts, second: Counts, wait_power_w: float) -> Counts:
    """Sums of two repeated frontiers, with how often each point occurs in each sum."""
    mine, its = _sums(first[0], first[1], second[0], second[1], wait_power_w)
    return first[0][mine] + second[0][its], first[1][mine] + second[1][its], first[2][mine] + second[2][its]


def _root_of_squares(frontiers: tuple[Frontier, ...], rows: Rows, name: str) -> Floats:
    spreads = [getattr(part.columns, name)[row] for part, row in zip(frontiers, rows, strict=True)]
    return np.asarray(np.sqrt(np.sum(np.square(spreads), axis=0)), dtype=np.float64)


def _combined(
    frontiers: tuple[Frontier, ...], rows: Rows, time_s: Floats, energy_j: Floats, time_sd_s: Floats
) -> Columns:
    """Columns of wholes made of one point of each part."""
    parts = [(part.columns, row) for part, row in zip(frontiers, rows, strict=True)]
    return Columns(
        time_s=time_s,
        energy_j=energy_j,
        settings=Combined(tuple(part.settings for part in frontiers), rows),
        doubt=reduce(np.maximum, (part.doubt[row] for part, row in parts)),
        samples=reduce(np.minimum, (part.samples[row] for part, row in parts)),
        time_sd_s=time_sd_s,
        energy_sd_j=_root_of_squares(frontiers, rows, "energy_sd_j"),
    )
