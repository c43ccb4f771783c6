"""Which of two programs uses less energy, as an interval for the ratio of the two, or a refusal to rank them.

Theory of operation. The programs run in turn, in pairs whose order alternates (AB BA AB ...), so that slow drifts, such
as a device that warms up, weigh on both alike; chance decides only who begins. Each pair gives one ratio. The mean of
their logarithms is the estimate (a geometric mean, so that A to B and B to A are one statement), and three things make
it uncertain:

- Runs differ. Student's t interval of the mean of the logarithms covers that, for pairs that vary alike.
- A sensor shows an edge of a window late. A reading is off by at most its resolution, and how much is chance, since
  programs do not start in step with sensors. Identical readings of a coarse sensor have no scatter at all, so this is
  added to the variance of the pairs as a rectangular distribution, although part of it is in the scatter already.
- The gain of a sensor is unknown, but the same for both programs: with one device it cancels. With several it does
  not, if the programs share their energy among the devices differently: then the ratio takes its least and its largest
  value over all gains that are possible.

Nobody is ranked whose interval contains 1.

Source: JCGM 100:2008 (GUM), 4.3.7 for the rectangular distribution and 5.1.2 for the sum of variances; the t factor of
the pairs alone is applied to the sum, which is wider than the effective degrees of freedom of its annex G.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from joulewise.errors import UsageError
from joulewise.measure.measurement import Measurement

CONFIDENCE = 0.95
FEWEST = 2


class Verdict(StrEnum):
    """What an interval of a ratio says of the second program."""

    LESS = "less"
    MORE = "more"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Ratio:
    """The second over the first.

    Attributes:
        ratio: The estimate.
        lo, hi: Between them it lies, as often as the confidence says.
    """

    ratio: float
    lo: float
    hi: float

    @property
    def verdict(self) -> Verdict:
        """Whether the second is less or more than the first, or neither is shown."""
        return self.against(1.0)

    def against(self, limit: float) -> Verdict:
        """Whether the ratio is less or more than a limit, or neither is shown."""
        if self.hi < limit:
            return Verdict.LESS
        return Verdict.MORE if self.lo > limit else Verdict.UNDECIDED


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two programs, run in turn.

    Attributes:
        energy: Energy of the second over that of the first.
        time: The same of their durations.
        pairs: How many pairs of runs were made.
        confidence: How often an interval made like this contains the true ratio.
    """

    energy: Ratio
    time: Ratio
    pairs: int
    confidence: float


def turns(pairs: int, chance: random.Random) -> list[int]:
    """Who runs when: 0 for the first program, 1 for the second, two per pair, in alternating order.

    Args:
        pairs: How many, at least 2.
        chance: Decides who begins.

    Raises:
        UsageError: If there are fewer than two pairs.

    Example:
        >>> turns(3, random.Random(1))
        [0, 1, 1, 0, 0, 1]
    """
    if pairs < FEWEST:
        raise UsageError("runs are too few to compare", f"{pairs} of each", f"ask for at least {FEWEST}")
    start = chance.randrange(2)
    return [(start + pair + turn) % 2 for pair in range(pairs) for turn in range(2)]


def compare(
    first: Sequence[Measurement],
    second: Sequence[Measurement],
    gain_frac: Mapping[str, float],
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two programs.

    Args:
        first: Runs of the one, in the order of the pairs.
        second: Runs of the other, as many.
        gain_frac: How far the sensor of each device may be off, by uid, 0 to 1.
        confidence: How sure the intervals are, above 0 and below 1.

    Raises:
        UsageError: If there are fewer than two pairs, or the runs are not of the same devices.
        CounterError: If a run has no energy. An energy of 0 J makes the ratio anything: 0 to infinity.
    """
    runs = [*first, *second]
    if len(first) != len(second) or len(first) < FEWEST:
        seen = f"{len(first)} and {len(second)} runs"
        raise UsageError("runs cannot be compared", seen, f"make at least {FEWEST} of each, as many of both")
    if not 0 < confidence < 1:
        raise UsageError("a confidence cannot be this", repr(confidence), "give one between 0 and 1, such as 0.95")
    if len({frozenset(_by_uid(run)) for run in runs}) > 1:
        raise UsageError(
            "runs cannot be compared", "a device told its energy in some only", "joulewise doctor says why"
        )
    edges = [math.hypot(_doubt(a), _doubt(b)) for a, b in zip(first, second, strict=True)]
    energy = _paired([a.energy_j for a in first], [b.energy_j for b in second], edges, confidence)
    least, largest = gain_span(_mean(first), _mean(second), gain_frac)
    time = _paired([a.duration_s for a in first], [b.duration_s for b in second], [0.0] * len(first), confidence)
    return Comparison(Ratio(energy.ratio, energy.lo * least, energy.hi * largest), time, len(first), confidence)


def to_baseline(now: Measurement, baseline: Measurement, gain_frac: Mapping[str, float]) -> Ratio:
    """Energy over that of one earlier run, with bounds that hold for these two runs; other runs may differ.

    On the same devices the gains of the sensors cancel as far as they do in `compare`; on others they do not.

    Args:
        now: A run.
        baseline: An earlier one.
        gain_frac: How far the sensor of each device of ``now`` may be off, by uid, 0 to 1.

    Raises:
        CounterError: If a run has no energy.
    """
    if baseline.energy_j <= 0:
        return Ratio(math.nan, 0.0, math.inf)
    lo, hi = now.lo_j / baseline.hi_j, now.hi_j / baseline.lo_j if baseline.lo_j > 0 else math.inf
    ours, theirs = _by_uid(now), _by_uid(baseline)
    if ours.keys() == theirs.keys():
        least, largest = gain_span(theirs, ours, gain_frac)
        seen_lo_j, seen_hi_j = baseline.energy_j - baseline.resolution_j, baseline.energy_j + baseline.resolution_j
        lo = max(lo, (now.energy_j - now.resolution_j) / seen_hi_j * least)
        hi = min(hi, (now.energy_j + now.resolution_j) / seen_lo_j * largest if seen_lo_j > 0 else math.inf)
    return Ratio(now.energy_j / baseline.energy_j, lo, hi)


def _doubt(run: Measurement) -> float:
    """Standard uncertainty of the logarithm of an energy, from its resolution."""
    return run.resolution_j / run.energy_j / math.sqrt(3) if run.energy_j > 0 else math.inf


def _paired(first: Sequence[float], second: Sequence[float], doubts: Sequence[float], confidence: float) -> Ratio:
    if min(*first, *second) <= 0 or not all(map(math.isfinite, doubts)):
        return Ratio(math.nan, 0.0, math.inf)
    from scipy.special import stdtrit  # noqa: PLC0415 (half a second that a comparison with a baseline does not need)

    logs = np.log(np.asarray(second)) - np.log(np.asarray(first))
    pairs = len(logs)
    variance = (float(np.var(logs, ddof=1)) + math.fsum(doubt**2 for doubt in doubts) / pairs) / pairs
    half = float(stdtrit(pairs - 1, (1 + confidence) / 2)) * math.sqrt(variance)
    middle = float(np.mean(logs))
    return Ratio(math.exp(middle), _exp(middle - half), _exp(middle + half))


def _exp(exponent: float) -> float:
    """As `math.exp`, without an error where two wild runs make the interval too wide for a number."""
    return math.exp(exponent) if exponent < 700 else math.inf


def _by_uid(run: Measurement) -> dict[str, float]:
    return {one.identity.uid: one.energy.energy_j for one in run.devices if one.in_total and one.energy is not None}


def _mean(runs: Sequence[Measurement]) -> dict[str, float]:
    parts = [_by_uid(run) for run in runs]
    return {uid: math.fsum(part[uid] for part in parts) / len(parts) for uid in parts[0]}


def gain_span(
    first_j: Mapping[str, float], second_j: Mapping[str, float], gain_frac: Mapping[str, float]
) -> tuple[float, float]:
    """How far a ratio of sums may be off because the gains of the sensors are unknown.

    The ratio is largest if all devices with a ratio of their own above some value have been read low and all others
    high: so it is enough to try each of these values.

    Args:
        first_j, second_j: Energies of both by device, of the same devices [J].
        gain_frac: How far each sensor may be off.

    Returns:
        The least and the largest true ratio, over the one that was read; 1 and 1 for a single device.

    Example:
        >>> gain_span({"gpu": 90.0, "cpu": 10.0}, {"gpu": 45.0, "cpu": 5.0}, {"gpu": 0.05, "cpu": 0.05})
        (1.0, 1.0)
    """
    read = sum(second_j.values()) / sum(first_j.values()) if sum(first_j.values()) else 0.0
    if len(first_j) < 2 or not read:
        return 1.0, 1.0
    order = sorted(first_j, key=lambda uid: second_j[uid] / first_j[uid] if first_j[uid] else math.inf)
    found = [read]
    for count in range(len(order) + 1):
        for low in (set(order[:count]), set(order[count:])):
            true = {uid: 1 / max(1 + gain_frac[uid] * (1 if uid in low else -1), 1e-9) for uid in order}
            found.append(sum(true[u] * second_j[u] for u in order) / sum(true[u] * first_j[u] for u in order))
    return min(found) / read, max(found) / read
