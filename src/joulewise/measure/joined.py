"""One device measured over several windows: its energy over their union, nothing counted twice.

Theory of operation. The window that covers most of the union is taken first, with its own bounds; among equals the one
with the narrowest bounds. Then the one that adds most to what is covered, and so on. Of a window that adds only a part
of itself, that part of the energy is taken in proportion to time; it may be as little as nothing, and as much as the
whole of that window, or as the most that such a device can draw. What no window covers is not counted. Windows that are
nearly the same are compared: if their bounds do not meet, a warning says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from joulewise.measure.energy import Energy, Method
from joulewise.records import Provenance

Interval = tuple[int, int]
SAME_FRAC = 0.01  # windows that differ by less of their length are nearly the same


@dataclass(frozen=True, slots=True)
class Seen:
    """One window of one device.

    Attributes:
        rank: Whose it is.
        begin_ns, end_ns: Its edges on an axis that all share [ns].
        energy: What was used in it.
    """

    rank: int
    begin_ns: int
    end_ns: int
    energy: Energy


def join(windows: Sequence[Seen], most_power_w: float) -> tuple[Energy, str]:
    """Energy of a device over the union of windows.

    Args:
        windows: One or more, in any order.
        most_power_w: More than the device can draw [W].

    Returns:
        The energy, and from whom it was taken.
    """
    left = sorted(windows, key=lambda one: (one.energy.hi_j - one.energy.lo_j, one.rank))
    covered: list[Interval] = []
    parts: list[Energy] = []
    words: list[str] = []
    while left:
        best = max(left, key=lambda one: _length(_new(one, covered)))  # the first of equals
        left.remove(best)
        fresh_ns, whole_ns = _length(_new(best, covered)), best.end_ns - best.begin_ns
        if parts and not fresh_ns:
            break
        if fresh_ns == whole_ns:
            parts.append(best.energy)
            words.append(f"rank {best.rank}")
        else:
            parts.append(_part(best, fresh_ns, whole_ns, most_power_w))
            words.append(f"{fresh_ns * 1e-9:.3g} s of rank {best.rank} in proportion to time")
        covered = _union([*covered, (best.begin_ns, best.end_ns)])
    methods = {part.method for part in parts}
    energy = Energy(
        math.fsum(part.energy_j for part in parts),
        math.fsum(part.lo_j for part in parts),
        math.fsum(part.hi_j for part in parts),
        math.fsum(part.resolution_j for part in parts),
        methods.pop() if len(methods) == 1 else Method.MIXED,
        Provenance.weakest(part.provenance for part in parts),
        tuple(
            dict.fromkeys(
                [*(warning for part in parts for warning in part.warnings), *_quarrels(windows, most_power_w)]
            )
        ),
    )
    others = len({one.rank for one in windows}) - len(words)
    beside = f", beside {others} other rank{'s' if others > 1 else ''} that measured it" if others > 0 else ""
    return energy, f"taken from {' and '.join(words)}{beside}"


def _part(one: Seen, fresh_ns: int, whole_ns: int, most_power_w: float) -> Energy:
    energy, share_j = one.energy, one.energy.energy_j * fresh_ns / whole_ns
    hi_j = max(share_j, min(energy.hi_j, most_power_w * fresh_ns * 1e-9))
    return Energy(share_j, 0.0, hi_j, energy.resolution_j, energy.method, energy.provenance, energy.warnings)


def _quarrels(windows: Sequence[Seen], most_power_w: float) -> Iterator[str]:
    """Windows that are nearly the same, and whose energies cannot both be true."""
    for one, other in combinations(sorted(windows, key=lambda window: window.rank), 2):
        apart_s = (abs(one.begin_ns - other.begin_ns) + abs(one.end_ns - other.end_ns)) * 1e-9
        if apart_s > SAME_FRAC * (one.end_ns - one.begin_ns) * 1e-9:
            continue
        between_j = max(one.energy.lo_j - other.energy.hi_j, other.energy.lo_j - one.energy.hi_j)
        if between_j > most_power_w * apart_s:
            energies = f"{one.energy.energy_j:.6g} and {other.energy.energy_j:.6g} J"
            yield f"ranks {one.rank} and {other.rank} read {energies} in nearly the same window: one of them errs"


def _new(one: Seen, covered: Iterable[Interval]) -> list[Interval]:
    """What of a window is not covered yet."""
    left = [(one.begin_ns, one.end_ns)]
    for begin_ns, end_ns in covered:
        pieces = [(b, min(e, begin_ns)) for b, e in left] + [(max(b, end_ns), e) for b, e in left]
        left = [(b, e) for b, e in pieces if b < e]
    return left


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Without overlaps."""
    joined: list[Interval] = []
    for begin_ns, end_ns in sorted(intervals):
        if joined and begin_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_ns))
        else:
            joined.append((begin_ns, end_ns))
    return joined


def _length(intervals: Iterable[Interval]) -> int:
    return sum(end_ns - begin_ns for begin_ns, end_ns in intervals)
